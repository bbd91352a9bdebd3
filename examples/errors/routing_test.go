package main

import (
	"fmt"
	"slices"
	"strings"
)

var routes = []story{
	{
		path: "/smart-handling?error=network",
		records: append(retries("smart_task", 5),
			"failed smart_task 6 *url.Error: escalate by Escalate",
			"tracker 200 smart_task | *url.Error | "+refused,
			"escalated smart_task 6 *url.Error: escalate by Escalate"),
		spans: strings.Join(retrySpans("smart_task", 5), "") + "run smart_task 6 escalate\n  POST /operations *net.OpError\n" +
			"  escalate smart_task\n    POST /tracker 200\n",
	},
	{
		path: "/smart-handling?error=validation",
		records: []string{
			"operations 422", "failed smart_task 1 *main.ValidationError: escalate by On[*main.ValidationError]",
			"chat 200 *Task failed:* `smart_task`",
			"escalated smart_task 1 *main.ValidationError: escalate by On[*main.ValidationError]",
		},
		spans: "run smart_task 1 escalate\n  POST /operations 422\n  escalate smart_task\n    HTTP POST 200\n",
	},
	{
		path: "/smart-handling?error=permission",
		records: []string{
			"operations 403", "failed smart_task 1 *main.StatusError: escalate by Escalate",
			"chat 200 *Task failed:* `smart_task`",
			"tracker 200 smart_task | *main.StatusError | the operations service answered 403 Forbidden",
			"escalated smart_task 1 *main.StatusError: escalate by Escalate",
		},
		spans: "run smart_task 1 escalate\n  POST /operations 403\n" +
			"  escalate smart_task\n    HTTP POST 200\n    POST /tracker 200\n",
	},
	{
		path: "/smart-handling",
		records: []string{
			"operations 500", "failed smart_task 1 *main.StatusError: escalate by Escalate",
			"tracker 200 smart_task | *main.StatusError | the operations service answered 500 Internal Server Error",
			"escalated smart_task 1 *main.StatusError: escalate by Escalate",
		},
		spans: "run smart_task 1 escalate\n  POST /operations 500\n  escalate smart_task\n    POST /tracker 200\n",
	},
	{
		path:  "/global-handler",
		crowd: true,
		records: slices.Concat(retries("task1", 3), []string{
			"tracker 200 task1 | *url.Error | " + refused, "failed task1 4 *url.Error: handled by to_tracker",
			"operations 422", "says task2: somebody asked for nonsense",
			"tracker 200 task2 | *main.ValidationError | the operations service answered 422 Unprocessable Entity",
			"failed task2 1 *main.ValidationError: handled by On[*main.ValidationError]",
		}),
		spans: strings.Join(retrySpans("task1", 3), "") + "run task1 4 handled\n  POST /operations *net.OpError\n" +
			"  handle task1\n    POST /tracker 200\n" +
			"run task2 1 handled\n  POST /operations 422\n  handle task2\n    POST /tracker 200\n",
	},
	{
		path:  "/global-handler?error=unknown",
		crowd: true,
		records: []string{
			"operations 500", "failed task1 1 *main.StatusError: handled by to_tracker",
			"operations 500", "failed task2 1 *main.StatusError: handled by to_tracker",
			"tracker 200 task1 | *main.StatusError | the operations service answered 500 Internal Server Error",
			"tracker 200 task2 | *main.StatusError | the operations service answered 500 Internal Server Error",
		},
		spans: "run task1 1 handled\n  POST /operations 500\n  handle task1\n    POST /tracker 200\n" +
			"run task2 1 handled\n  POST /operations 500\n  handle task2\n    POST /tracker 200\n",
	},
	{
		path:  "/timing-errors",
		crowd: true,
		records: []string{
			"says immediate: this one was to run: immediate", "failed immediate 1 *errors.errorString",
			"says after_route: this one was to run: after_route", "chat 200 *Task failed:* `after_route`",
			"escalated after_route 1 *errors.errorString: escalate by Escalate",
			"failed after_route 1 *errors.errorString: escalate by Escalate",
			"says after_response: this one was to run: after_response", "failed after_response 1 *errors.errorString",
		},
		spans: "run after_response 1 pass\nrun after_route 1 escalate\n" +
			"  escalate after_route\n    HTTP POST 200\nrun immediate 1 pass\n",
	},
	{
		path: "/structured-logging",
		records: []string{
			"failed important_operation 1 *errors.errorString: handled by to_tracker",
			"tracker 200 important_operation | *errors.errorString | row 2 of stock.csv is no row",
		},
		spans: "run important_operation 1 handled\n  handle important_operation\n    POST /tracker 200\n",
	},
	{
		path: "/structured-logging?how=panic",
		records: []string{
			"failed important_operation 1 runtime.boundsError: handled by to_tracker",
			"tracker 200 important_operation | runtime.boundsError | panic: runtime error: index out of range [2] with length 2",
		},
		spans: "run important_operation 1 handled\n  handle important_operation\n    POST /tracker 200\n",
	},
}

// refused is the message when nothing listens.
const refused = `Post "http://127.0.0.1:1/operations": dial tcp 127.0.0.1:1: connect: connection refused`

// retries are the records of n attempts that found no network and are followed by another.
func retries(task string, n int) (records []string) {
	for i := range n {
		records = append(records, fmt.Sprintf("retrying %s %d *url.Error: retry by Retry", task, i+1))
	}
	return records
}

func retrySpans(task string, n int) (spans []string) {
	for i := range n {
		spans = append(spans, fmt.Sprintf("run %s %d retry\n  POST /operations *net.OpError\n", task, i+1))
	}
	return spans
}
