package main

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"halfclose.test/go/beside"
	"halfclose.test/go/gen/loggerpb"
	"halfclose.test/go/journal"
)

func newGRPCServer(m *monitor) *grpc.Server {
	server := grpc.NewServer(
		grpc.MaxRecvMsgSize(beside.MaxFilterBytes),
		grpc.ConnectionTimeout(handshakeWithin),
	)
	loggerpb.RegisterLoggerServer(server, &loggerService{monitor: m})
	reflection.Register(server)
	return server
}

type loggerService struct {
	loggerpb.UnimplementedLoggerServer
	monitor *monitor
}

// Monitor implements the one method of the service.
func (s *loggerService) Monitor(stream grpc.BidiStreamingServer[loggerpb.MonitorStreamingRequest, loggerpb.MonitorResponse]) error {
	_, reason := s.monitor.run(stream.Context(), grpcStream{stream})
	return s.statusOf(reason)
}

func (s *loggerService) statusOf(reason error) error {
	var invalid invalidFilter
	switch {
	case reason == nil:
		return nil
	case errors.As(reason, &invalid):
		return status.Error(codes.InvalidArgument, invalid.Error())
	case errors.Is(reason, journal.ErrOverflow):
		return status.Error(codes.ResourceExhausted, reason.Error())
	case errors.Is(reason, errStopping):
		return status.Error(codes.Unavailable, reason.Error())
	}
	if s.monitor.bugs.flattenedContext {
		return fmt.Errorf("monitor: %v", reason)
	}
	if errors.Is(reason, context.Canceled) || errors.Is(reason, context.DeadlineExceeded) {
		return status.FromContextError(reason).Err()
	}
	return reason // grpc-go's own, which carries its status
}

type grpcStream struct {
	grpc.BidiStreamingServer[loggerpb.MonitorStreamingRequest, loggerpb.MonitorResponse]
}

func (s grpcStream) receive() (journal.Filter, error) {
	request, err := s.Recv()
	if err != nil {
		return journal.Filter{}, err
	}
	return journal.Filter{MinLevel: request.MinLevel, Sources: request.Sources, Contains: request.Contains}, nil
}

func (s grpcStream) send(entry *journal.Entry) error {
	return s.Send(&loggerpb.MonitorResponse{
		Sequence: entry.Sequence,
		Time:     entry.Time,
		Level:    entry.Level,
		Source:   entry.Source,
		Message:  entry.Message,
	})
}
