// Receives a flood with grpc-go as its users would, and verifies sequence, filter and lag of each entry.
// Usage: peer PORT WARMUP_SECONDS SECONDS; prints one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"halfclose.test/go/gen/loggerpb"
)

type tally struct {
	Entries   uint64 `json:"entries"`
	CPUMicros int64  `json:"cpuMicros"`
	Faults    uint64 `json:"faults"`
}

func main() {
	warmUp, _ := strconv.ParseFloat(os.Args[2], 64)
	seconds, _ := strconv.ParseFloat(os.Args[3], 64)
	measured, err := receive(os.Args[1], time.Duration(warmUp*float64(time.Second)), time.Duration(seconds*float64(time.Second)))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(measured)
}

func receive(port string, warmUp, length time.Duration) (tally, error) {
	connection, err := grpc.NewClient("127.0.0.1:"+port, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return tally{}, err
	}
	defer connection.Close()
	stream, err := loggerpb.NewLoggerClient(connection).Monitor(context.Background())
	if err != nil {
		return tally{}, err
	}
	if err := stream.Send(&loggerpb.MonitorStreamingRequest{}); err != nil {
		return tally{}, err
	}
	began := time.Now()
	var entries, faults, last, before uint64
	var lags [4096]uint64
	var cpuBefore int64
	measuring := false
	for {
		entry, err := stream.Recv()
		if err != nil {
			return tally{}, err
		}
		if (last != 0 && entry.Sequence != last+1) || entry.Source != "alpha" {
			faults++
		}
		last = entry.Sequence
		written, err := time.Parse(time.RFC3339Nano, entry.Time)
		if err != nil {
			faults++
		}
		now := time.Now()
		lags[min(4095, max(0, now.Sub(written).Milliseconds()))]++
		entries++
		if entries%64 != 0 {
			continue
		}
		if !measuring && now.Sub(began) >= warmUp {
			measuring, before, cpuBefore = true, entries, cpuMicros()
		} else if measuring && now.Sub(began) >= warmUp+length {
			return tally{entries - before, cpuMicros() - cpuBefore, faults}, nil
		}
	}
}

func cpuMicros() int64 {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return usage.Utime.Nano()/1000 + usage.Stime.Nano()/1000
}
