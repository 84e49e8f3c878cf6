// Package design is the default contract as a Goa design: one service, one
// method that streams both ways, on gRPC and on WebSocket.
package design

import . "goa.design/goa/v3/dsl"

var _ = API("logger", func() {
	Title("Log monitor")
	Description("Streams the entries of a log that match filters which the client may replace at any time.")
})

var _ = Service("logger", func() {
	Description("The monitor.")

	Error("invalid_filter", ErrorResult, "The filter was understood and refused.")
	Error("too_slow", ErrorResult, "The client reads more slowly than entries match.")
	Error("deadline_exceeded", ErrorResult, "The call's deadline has passed.")
	Error("stopping", ErrorResult, "The server is going down.")

	Method("monitor", func() {
		Description("Takes filters, sends the matching entries as they are written.")
		StreamingPayload(LogFilter)
		StreamingResult(LogEntry)
		Error("invalid_filter")
		Error("too_slow")
		Error("deadline_exceeded")
		Error("stopping")
		HTTP(func() {
			GET("/logs/monitor")
		})
		GRPC(func() {
			Response(CodeOK)
			Response("invalid_filter", CodeInvalidArgument)
			Response("too_slow", CodeResourceExhausted)
			Response("deadline_exceeded", CodeDeadlineExceeded)
			Response("stopping", CodeUnavailable)
		})
	})
})

// LogFilter says which entries the client wants. What is left out does not constrain.
var LogFilter = Type("LogFilter", func() {
	Field(1, "min_level", String, "Entries at this level or above", func() {
		Enum("debug", "info", "warn", "error")
	})
	Field(2, "sources", ArrayOf(String), "Entries from one of these sources")
	Field(3, "contains", String, "Entries whose message contains this text", func() {
		MaxLength(256) // characters; the service itself refuses more than 256 bytes
	})
})

// LogEntry is one line of the log.
var LogEntry = Type("LogEntry", func() {
	Field(1, "sequence", UInt64, "Position in the whole log, from 1")
	Field(2, "time", String, "When it was written", func() {
		Format(FormatDateTime)
	})
	Field(3, "level", String, "Severity", func() {
		Enum("debug", "info", "warn", "error")
	})
	Field(4, "source", String, "Who wrote it")
	Field(5, "message", String, "The text")
	Required("sequence", "time", "level", "source", "message")
})
