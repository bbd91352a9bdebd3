package logging_test

import (
	"log/slog"
	"os"

	"github.com/postlude/postlude/logging"
)

// noTime makes the output of an example the same every day.
func noTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

func ExampleNew() {
	logger := logging.New(os.Stderr, logging.Options{
		Schema: logging.GCP,
		Level:  slog.LevelDebug,
	})
	slog.SetDefault(logger)
}

func ExampleCorrelate() {
	mine := slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: noTime})
	logger := slog.New(logging.Correlate(mine)).WithGroup("mail")

	ctx := inTask() // the context that a task's function is given
	logger.InfoContext(ctx, "sent", "to", "ada@example.org")
	// Output:
	// {"level":"INFO","msg":"sent","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7","trace_flags":"01","task.name":"send_receipt","task.id":"t-17","task.attempt":2,"mail":{"to":"ada@example.org"}}
}

func ExampleRedact() {
	type order struct {
		ID   string `json:"id"`
		Card string `json:"card"`
		Note string `json:"note" log:"secret"`
	}
	logger := slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: noTime}))

	logger.Info("paid", slog.Any("order", logging.Redact(order{"o-17", "4242 4242", "ring twice"})))
	// Output:
	// {"level":"INFO","msg":"paid","order":{"id":"o-17","card":"[REDACTED]","note":"[REDACTED]"}}
}

func ExampleBatch() {
	out := logging.Batch(os.Stdout, logging.BatchOptions{})
	defer out.Close() // after whatever logs; a line that comes later still gets through

	logger := slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{ReplaceAttr: noTime}))
	logger.Info("one")
	logger.Info("two") // both in one write
	// Output:
	// {"level":"INFO","msg":"one"}
	// {"level":"INFO","msg":"two"}
}
