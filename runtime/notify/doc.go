// Package notify has notifiers for postlude.Escalate and postlude.EscalateTo: a webhook
// that Slack and what is compatible with it understand, and a log.
//
//	slack := notify.Webhook{URL: os.Getenv("SLACK_WEBHOOK_URL")}
//	rt, err := postlude.New(postlude.Config{
//		Defaults: []postlude.Option{postlude.OnError(postlude.Escalate(slack))},
//		TraceURL: "http://jaeger:16686/trace/{trace_id}",
//	})
//
// All of them show arguments only as telemetry does, redacted (Failure.RedactedArgs).
// The text of an error is shown as it is: what must not be read by others does not belong
// there. Sentry is in a module of its own, notify/sentrynotify.
package notify
