package main

// story tells which records and spans come of a curl.
type story struct {
	path    string
	records []string
	spans   string // below the request's
	crowd   bool   // more than one task: the order of the records is open
}

var patterns = []story{
	{
		path:    "/fail",
		crowd:   true,
		records: []string{"failed failing_task 1 *errors.errorString", "succeeded other_task 1"},
		spans:   "run failing_task 1 pass\nrun other_task 1 ok\n",
	},
	{
		path:    "/fail?how=panic",
		crowd:   true,
		records: []string{"failed failing_task 1 panic", "succeeded other_task 1"},
		spans:   "run failing_task 1 pass\nrun other_task 1 ok\n",
	},
	{
		path: "/custom-error",
		records: []string{
			"says risky_operation: my handler was asked about risky_operation",
			"failed risky_operation 1 *errors.errorString",
		},
		spans: "run risky_operation 1 pass\n",
	},
	{
		path: "/monitored",
		records: []string{
			"operations 500",
			"failed monitored_task 1 *main.StatusError: handled by to_tracker",
			"tracker 200 monitored_task | *main.StatusError | the operations service answered 500 Internal Server Error",
		},
		spans: "run monitored_task 1 handled\n  POST /operations 500\n  handle monitored_task\n    POST /tracker 200\n",
	},
	{
		path: "/retry",
		records: []string{
			"warehouse 503 o-ID", "retrying flaky_task 1 *main.StatusError: retry by Retry",
			"warehouse 503 o-ID", "retrying flaky_task 2 *main.StatusError: retry by Retry",
			"warehouse 200 o-ID", "succeeded flaky_task 3",
		},
		spans: "run flaky_task 1 retry\n  POST /warehouse 503\n" +
			"run flaky_task 2 retry\n  POST /warehouse 503\n" +
			"run flaky_task 3 ok\n  POST /warehouse 200\n",
	},
	{
		path: "/retry?fail=9",
		records: []string{
			"warehouse 503 o-ID", "retrying flaky_task 1 *main.StatusError: retry by Retry",
			"warehouse 503 o-ID", "retrying flaky_task 2 *main.StatusError: retry by Retry",
			"warehouse 503 o-ID", "retrying flaky_task 3 *main.StatusError: retry by Retry",
			"warehouse 503 o-ID", "failed flaky_task 4 *main.StatusError: escalate by Escalate",
			"chat 200 *Task failed:* `flaky_task`",
			"tracker 200 flaky_task | *main.StatusError | the warehouse service answered 503 Service Unavailable",
			"escalated flaky_task 4 *main.StatusError: escalate by Escalate",
		},
		spans: "run flaky_task 1 retry\n  POST /warehouse 503\n" +
			"run flaky_task 2 retry\n  POST /warehouse 503\n" +
			"run flaky_task 3 retry\n  POST /warehouse 503\n" +
			"run flaky_task 4 escalate\n  POST /warehouse 503\n" +
			"  escalate flaky_task\n    HTTP POST 200\n    POST /tracker 200\n",
	},
	{
		path: "/retry?fail=validation",
		records: []string{
			"warehouse 422 o-ID", "failed flaky_task 1 *main.ValidationError: escalate by Escalate",
			"chat 200 *Task failed:* `flaky_task`",
			"tracker 200 flaky_task | *main.ValidationError | the warehouse service answered 422 Unprocessable Entity",
			"escalated flaky_task 1 *main.ValidationError: escalate by Escalate",
		},
		spans: "run flaky_task 1 escalate\n  POST /warehouse 422\n  escalate flaky_task\n    HTTP POST 200\n    POST /tracker 200\n",
	},
	{
		path: "/email-fallback",
		records: []string{
			"fallback send_email 1 *url.Error: fallback by Task.Fallback",
			"mail/backup 200 ada@example.com | Welcome", "succeeded send_email 1",
		},
		spans: "run send_email 1 fallback\n  POST /mail/primary *net.OpError\n  fallback send_email\n    POST /mail/backup 200\n",
	},
	{
		path: "/email-fallback?primary=invalid&email=nobody",
		records: []string{
			"mail/primary 422 nobody | Welcome",
			"failed send_email 1 *main.ValidationError: handled by On[*main.ValidationError]",
		},
		spans: "run send_email 1 handled\n  POST /mail/primary 422\n",
	},
	{
		path:    "/email-fallback?primary=ok",
		records: []string{"mail/primary 200 ada@example.com | Welcome", "succeeded send_email 1"},
		spans:   "run send_email 1 ok\n  POST /mail/primary 200\n",
	},
	{
		path: "/critical",
		records: []string{
			"payments 500 12345", "failed critical_payment_processing 1 *main.StatusError: escalate by Escalate",
			"chat 200 *Task failed:* `critical_payment_processing`",
			"tracker 200 critical_payment_processing | *main.StatusError | the payments service answered 500 Internal Server Error",
			"escalated critical_payment_processing 1 *main.StatusError: escalate by Escalate",
		},
		spans: "run critical_payment_processing 1 escalate\n  POST /payments 500\n" +
			"  escalate critical_payment_processing\n    HTTP POST 200\n    POST /tracker 200\n",
	},
	{
		path: "/critical?payment=declined",
		records: []string{
			"payments 402 12345",
			"fallback critical_payment_processing 1 *main.DeclinedError: fallback by On[*main.DeclinedError]",
			"mail/primary 200 ada@example.com | Your card was declined",
			"succeeded critical_payment_processing 1",
		},
		spans: "run critical_payment_processing 1 fallback\n  POST /payments 402\n" +
			"  fallback critical_payment_processing\n    POST /mail/primary 200\n",
	},
	{
		path:    "/critical?payment=ok",
		records: []string{"payments 200 12345", "succeeded critical_payment_processing 1"},
		spans:   "run critical_payment_processing 1 ok\n  POST /payments 200\n",
	},
}
