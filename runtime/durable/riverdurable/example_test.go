package riverdurable_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/riverdurable"
)

// The README shows this, to the letter (TestREADME of package runtime).

type Invoice struct{ Order, To string }

var WriteInvoice = postlude.Define("write_invoice", writeInvoice,
	postlude.Durable(), postlude.OnError(postlude.Retry{Max: 10}))

func start(path string) (*riverdurable.SQLite, *postlude.Runtime, error) {
	engine, err := riverdurable.OpenSQLite(path) // for several processes: OpenPostgres(ctx, pool)
	if err != nil {
		return nil, nil, err
	}
	rt, err := postlude.New(postlude.Config{
		Engine: engine,
		Tasks:  []postlude.Definition{WriteInvoice}, // what this process runs
	})
	return engine, rt, err
}

// order stores an order and its invoice's task together: both are there, or neither is.
func order(ctx context.Context, engine *riverdurable.SQLite, id string) error {
	tx, err := engine.DB().BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing is left to do for it after the commit
	if _, err := tx.ExecContext(ctx, "INSERT INTO orders (id) VALUES (?)", id); err != nil {
		return err
	}
	if _, err := postlude.Go(durable.WithTx(ctx, tx), WriteInvoice.With(Invoice{id, "ada@example.com"})); err != nil {
		return err
	}
	return tx.Commit()
}

var written = make(chan string, 1)

// writeInvoice may run twice for an order, if the process dies in between: the id of the
// task tells.
func writeInvoice(ctx context.Context, in Invoice) error {
	task, _ := postlude.TaskOf(ctx)
	written <- fmt.Sprintf("invoice for %s, with a key of %d characters", in.Order, len(task.ID))
	return nil
}

func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	engine, rt, err := start(filepath.Join(dir, "tasks.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := rt.Context(context.Background()) // in a handler: r.Context()
	if _, err := engine.DB().Exec("CREATE TABLE orders (id TEXT)"); err != nil {
		fmt.Println(err)
	}
	if err := order(ctx, engine, "o-17"); err != nil {
		fmt.Println(err)
	}
	fmt.Println(<-written)
	if _, err := rt.Shutdown(ctx); err != nil {
		fmt.Println(err)
	}
	if err := engine.Close(); err != nil { // after Shutdown, which stores what came of the tasks
		fmt.Println(err)
	}
	// Output: invoice for o-17, with a key of 36 characters
}
