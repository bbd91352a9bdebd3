// Package postlude runs the background tasks of HTTP servers: the mail after the
// sign-up, the charge after the checkout.
//
// A handler schedules a task to start at once (Go), when the route handler has returned
// (AfterRoute), or when the response has been sent (AfterResponse). Each attempt of a
// task is a span, a child of the request's span and linked to it; one structured record
// tells how it ended; and error handlers, which are OpenTelemetry span processors,
// decide what becomes of a failure.
//
//	var SendReceipt = postlude.Define("send_receipt", sendSMTP)
//
//	func order(w http.ResponseWriter, r *http.Request) {
//		receipt := SendReceipt.With(Receipt{Order: r.PathValue("id")})
//		if _, err := postlude.AfterResponse(r.Context(), receipt); err != nil {
//			http.Error(w, "busy", http.StatusServiceUnavailable)
//		}
//	}
//
//	rt, err := postlude.New(postlude.Config{})
//	handler := otelhttp.NewHandler(rt.Middleware(mux), "shop")
//
// Tasks are admitted when they are scheduled: with the queue full, that fails at once,
// while the handler can still answer 503. Shutdown cancels tasks, except for those with
// Shield, and reports on all of them.
package postlude
