// Package taskz is a live page about the tasks of a runtime: what fails now and why, how
// fast tasks run, what runs and what waits. It is one http.Handler with everything
// embedded, and the same as JSON.
//
//	page := taskz.New(rt, taskz.Config{Title: "shop"})
//	srv.RegisterOnShutdown(page.Close) // or Shutdown would wait for open pages
//	mux.Handle("/tasks/", http.StripPrefix("/tasks", page))
//
// # It must not be public
//
// The page shows errors and arguments. Arguments are redacted by name, errors are not.
// Mount it on a port that only operators reach, or behind the application's own
// authentication: the package has none.
//
//	go http.ListenAndServe("127.0.0.1:9090", page)                        // a port of its own
//	mux.Handle("/tasks/", requireStaff(http.StripPrefix("/tasks", page))) // or behind a login
//
// Whatever is around it has to leave http.Flusher reachable (http.ResponseController finds
// it through Unwrap); without it the page asks every two seconds instead.
//
// # Actions
//
// With Config.Authorize, people can cancel a task, have it retried now, and retry or
// discard a dead letter. Each try is recorded with who it was (taskconv.EventAction),
// refused ones too. Actions are POST, refused from other origins, and GET never acts.
//
// # What it costs
//
// One goroutine looks at the runtime, for all viewers: each second while there are any,
// each five seconds otherwise, for the history of 15 minutes that is there when somebody
// is paged. A state is encoded once. A client that does not read misses states, and is
// dropped when a write takes ten seconds. What the engine of durable tasks knows is
// asked at most every five seconds, while somebody looks, with a timeout. Memory is
// below a megabyte for 20 task names, and below 30 MB for 1,024, which is all that the
// runtime keeps apart: the tasks of further names are counted as "(other)".
//
// # JSON
//
// Each path answers with JSON to a request whose Accept header prefers application/json
// (without the header, all but the first do). Fields may be added; names and meanings
// stay. Times are RFC 3339, fields that end in _ms are milliseconds, lists are never
// null. Long names and texts are cut in lists, and end in "…" then. An error is
// {"error":{"status":404,"message":"..."}}.
//
//	GET  ./                              the state
//	GET  ./events                        a stream: "state" each second, "point" each five
//	GET  ./history                       rates and durations of the last 15 minutes
//	GET  ./failures/{id}                 a failure, by the id of its task
//	GET  ./dead-letters                  ?before= &limit= (to 100) &task= &queue=
//	GET  ./dead-letters/{id}             a dead letter, by the id that its queue gave it
//	POST ./tasks/{id}/cancel             cancels a task that runs or waits in this process
//	POST ./tasks/{id}/retry              ends its waiting for the next attempt
//	POST ./dead-letters/{id}/retry       puts it back into its queue
//	POST ./dead-letters/{id}/discard     deletes it
//
// The state:
//
//	title, time, started
//	closing           Shutdown was called
//	actions           whether there are any
//	window_ms         how long the window is: 45 to 60 seconds, less in the first minute
//	history_seq       the number of the newest point of the history
//	fill              workers of workers_max run or wait for a task; slots of slots_max are
//	                  taken; oldest_wait_ms: how long the first ready task has waited
//	overall, tasks    of all tasks, and of each name:
//	  name
//	  counts          of tasks since the start: scheduled, succeeded, failed, canceled,
//	                  dropped; of tasks now: running, pending, retrying; of durable ones:
//	                  enqueued, requeued. See postlude.Counts
//	  retries         attempts that were followed by another, since the start
//	  window          in the window: ended, of them failed, canceled and dropped; requeued,
//	                  retries; rate_per_s of those that ended;
//	                  duration of attempts and queue_delay, from ready to started, each with
//	                  count, mean_ms, p50_ms, p95_ms, p99_ms; the quantiles to a sixteenth
//	  recent          in the time of the history: ended, of them failed
//	running           100 tasks that run, the longest first: id, name, func, timing, shield,
//	                  attempt, state, since, age_ms
//	backoff           100 tasks that wait for their next attempt, the next first: the same
//	                  without since and age_ms, but due, due_in_ms, and message, the last error
//	failures          the last 64, the newest first; a task that fails all the time does not
//	                  push out one that failed once:
//	  id, name, time
//	  state           failed, canceled, dropped, or rescued by its fallback
//	  kind            error, panic, timeout or canceled
//	  error_type, message
//	  verdict, handler    what was decided, and by which error handler; escalation, if any
//	  attempts        how many failed
//	  trace_id, span_id, trace_url
//	blocked_handlers  error handlers that were given up on and have not returned
//	spans_dropped     spans that were lost on their way to the back end, see Config.SpansDropped
//	durable           null without an engine, or until it was asked; of all processes that
//	                  share it:
//	  time, error     when it answered last; what went wrong when it was asked last
//	  queues          queue, available, scheduled, retrying, running, dead, oldest_ms
//	  dead_letters    the latest 25: id (the queue's), task_id, name, queue, kind, error_type,
//	                  message, attempt, enqueued, failed, trace_id, span_id, trace_url
//
// A failure by its id has the whole message, and func, timing, shield, args (JSON as text,
// redacted), stack (of a panic), and history, the failed attempts: attempt, fallback,
// start, duration_ms, kind, error_type, message, verdict, handler, trace_id, span_id. A dead
// letter has the same without the stack. A page of dead_letters has next, the before of the
// page after it. An action answers with action, id, result and who.
//
// The history has seq, step_ms, times (of the end of each step, the oldest first), and
// for overall and each of tasks a list for each of rate_per_s, failed_per_s, p50_ms,
// p95_ms and p99_ms; a name of which nothing ran is missing. A point of the stream has
// seq, time and the same as single numbers, tasks by name.
package taskz
