// Package taskconv holds every name that Postlude's telemetry uses: span names,
// attribute keys, metric names, log keys and their well-known values.
//
// It contains constants only. Dashboards, alerts, documentation and tests are
// held to these names, so a name changes here or nowhere.
//
// Where OpenTelemetry's semantic conventions have a name (error.type,
// code.function.name, exception.*), that name is used. They have none for
// background tasks yet (open-telemetry/semantic-conventions#1688), so the rest
// lives under "task.".
package taskconv

// Span names are one of these prefixes and the name of the task: "run send_receipt".
const (
	SpanRun      = "run "      // one attempt; kind CONSUMER
	SpanSchedule = "schedule " // the enqueue of a durable task; kind PRODUCER
	SpanFallback = "fallback " // the fallback of a failed attempt
	SpanEscalate = "escalate " // the notification about a failed task
	SpanHandle   = "handle "   // work that an error handler added to its verdict
)

// Attribute keys of spans. Log records use the same keys, except for durations:
// a span carries seconds, as OpenTelemetry asks, a log record milliseconds.
const (
	TaskName           = "task.name"
	TaskID             = "task.id"
	TaskTiming         = "task.timing"
	TaskShield         = "task.shield"
	TaskAttempt        = "task.attempt"
	TaskMaxAttempts    = "task.max_attempts"
	TaskQueueDelay     = "task.queue_delay" // seconds, float
	TaskArgs           = "task.args"        // rendered as JSON, redacted
	TaskOutcome        = "task.outcome"
	TaskVerdict        = "task.verdict"
	TaskVerdictHandler = "task.verdict.handler"
	TaskRetryDelay     = "task.retry.delay" // seconds, float
	TaskRetryRefused   = "task.retry.refused"
	TaskEscalation     = "task.escalation"
	TaskFallback       = "task.fallback"     // the name of the task that was called instead
	TaskQueue          = "task.queue"        // of a durable task
	TaskJobID          = "task.job_id"       // the queue's own id of a durable task
	TaskDuplicateOf    = "task.duplicate_of" // the id of the durable task that was there already
	CodeFunctionName   = "code.function.name"
	ErrorType          = "error.type"

	ExceptionEvent      = "exception" // name of the span event
	ExceptionType       = "exception.type"
	ExceptionMessage    = "exception.message"
	ExceptionStacktrace = "exception.stacktrace"
)

// Values of task.timing.
const (
	TimingImmediate     = "immediate"
	TimingAfterRoute    = "after_route"
	TimingAfterResponse = "after_response"
)

// Values of task.outcome.
const (
	OutcomeOK       = "ok"
	OutcomeError    = "error"
	OutcomePanic    = "panic"
	OutcomeTimeout  = "timeout"
	OutcomeCanceled = "canceled"
	OutcomeDropped  = "dropped"
)

// Values of task.verdict.
const (
	VerdictPass     = "pass"
	VerdictHandled  = "handled"
	VerdictRetry    = "retry"
	VerdictFallback = "fallback"
	VerdictEscalate = "escalate"
	VerdictDrop     = "drop"
	VerdictRequeue  = "requeue" // nobody's: a durable task was interrupted
)

// RefusedBudget is the value of task.retry.refused when the retry budget was spent.
const RefusedBudget = "budget"

// Values of task.escalation.
const (
	EscalationStarted    = "started"    // task.escalated or task.handler_failed tells what came of it
	EscalationSuppressed = "suppressed" // one of the same kind was sent shortly before
)

// Keys that only log records have.
const (
	LogTime         = "time"
	LogLevel        = "level"
	LogMessage      = "msg"
	LogEvent        = "event"
	LogTraceID      = "trace_id"
	LogSpanID       = "span_id"
	LogTraceFlags   = "trace_flags"
	LogDurationMS   = "task.duration_ms"           // milliseconds, float
	LogQueueDelayMS = "task.queue_delay_ms"        // milliseconds, float
	LogRetryDelayMS = "task.retry.delay_ms"        // milliseconds, float
	LogReason       = "task.reason"                // why a task was dropped
	LogHandler      = "task.handler"               // the error handler that failed
	LogTraceURL     = "trace_url"                  // where to look at the trace, see Config.TraceURL
	LogSuppressed   = "task.escalation.suppressed" // how many of the kind were not escalated since the last

	// Of runtime.shutdown: the fates of all tasks.
	LogScheduled  = "runtime.scheduled"
	LogSucceeded  = "runtime.succeeded"
	LogFailed     = "runtime.failed"
	LogCanceled   = "runtime.canceled"
	LogDropped    = "runtime.dropped"
	LogUnfinished = "runtime.unfinished"
	LogEnqueued   = "runtime.enqueued"
	LogRequeued   = "runtime.requeued"
	LogElapsedMS  = "runtime.elapsed_ms" // milliseconds, float

	// Of taskz.action: what a person did to a task, or tried to.
	LogAction       = "action.name"
	LogActionWho    = "action.who"
	LogActionResult = "action.result"
)

// Values of action.result, besides those that tell what was done.
const (
	ActionRefused = "refused" // not authorized
	ActionFailed  = "failed"
)

// Values of the log key event.
const (
	EventScheduled     = "task.scheduled"
	EventEnqueued      = "task.enqueued" // a durable task is in its queue
	EventStarted       = "task.started"
	EventSucceeded     = "task.succeeded"
	EventFailed        = "task.failed"
	EventRetrying      = "task.retrying"
	EventFallback      = "task.fallback"
	EventEscalated     = "task.escalated"
	EventDropped       = "task.dropped"
	EventRequeued      = "task.requeued" // a durable task was handed back to its queue
	EventHandlerFailed = "task.handler_failed"
	EventShutdown      = "runtime.shutdown"
	EventWarning       = "runtime.warning"
	EventAction        = "taskz.action" // somebody acted on a task through the page
)

// Metric names. Histograms are in seconds, the rest counts tasks or attempts.
const (
	MetricRunDuration   = "task.run.duration"
	MetricQueueDuration = "task.queue.duration"
	MetricActive        = "task.active"
	MetricPending       = "task.pending"
	MetricAttempts      = "task.attempts"
	MetricRetries       = "task.retries"
	MetricVerdicts      = "task.verdicts"
	MetricDropped       = "task.dropped"
	MetricRejected      = "task.rejected"
	MetricEscalations   = "task.escalations"
	MetricHandlerErrors = "task.handler.errors"

	// Of a process: how full it is.
	MetricSlots      = "task.slots" // places of the queue that are taken
	MetricSlotsMax   = "task.slots.max"
	MetricWorkers    = "task.workers"
	MetricWorkersMax = "task.workers.max"
	MetricPendingAge = "task.pending.oldest_age" // seconds

	// Of durable tasks.
	MetricEnqueued  = "task.enqueued"
	MetricQueueJobs = "task.queue.jobs"
	MetricQueueAge  = "task.queue.oldest_age" // seconds
)

// Of otelsetup, about OpenTelemetry's own work and not about tasks: hence no Metric or
// Event among their names, which the runtime's instruments and records are held to.
const (
	OTelError             = "otel.error"         // event: what goes wrong inside of OpenTelemetry
	OTelSpansDropped      = "otel.spans.dropped" // metric, by Reason; in records: how many since the last one
	OTelSpansDroppedEvent = "otel.spans_dropped"
	OTelSuppressed        = "otel.suppressed" // in records: how many errors were not logged since the last one
)

// QueueState is the attribute of MetricQueueJobs that tells what the jobs do.
const (
	QueueState     = "state"
	QueueAvailable = "available" // could run now: the depth of the queue
	QueueScheduled = "scheduled"
	QueueRetrying  = "retrying"
	QueueRunning   = "running"
	QueueDead      = "dead"
)

// Reason is the attribute that tells why a task was dropped or rejected, or spans were lost.
const (
	Reason                = "reason"
	ReasonQueueFull       = "queue_full"
	ReasonShuttingDown    = "shutting_down"
	ReasonHandlerReturned = "handler_returned" // AfterRoute came too late
	ReasonShutdown        = "shutdown"         // queued and unshielded when the runtime shut down
	ReasonDeadline        = "deadline"         // shielded, but shutdown ran out of time
	ReasonVerdict         = "verdict"          // a handler's Drop
	ReasonEnqueueFailed   = "enqueue_failed"   // a durable task could not be stored
	ReasonExportFailed    = "export_failed"    // of spans only, as their back end did not take them
)
