package riverdurable

import (
	"context"
	"database/sql/driver"
	"errors"
)

// preparing makes connections that keep the statements they have prepared. River has SQLite
// parse and plan each of its statements anew every time, which takes it a quarter of an
// insert, and more of the storing of outcomes, one statement for each.
type preparing struct{ driver.Connector }

// Connect opens a connection.
func (p preparing) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := p.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	able, ok := conn.(sqliteConn)
	if !ok { // of another release of the driver
		return conn, nil
	}
	return &preparedConn{sqliteConn: able, statements: map[string]*statement{}}, nil
}

// sqliteConn is what the driver's connections can do, and ours are to go on doing.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// preparedConn is for one caller at a time, as package sql has it.
type preparedConn struct {
	sqliteConn
	statements map[string]*statement // by their texts
}

// statement is a prepared one. While rows of it are open, it can't be used again.
type statement struct {
	driver.Stmt
	busy bool
}

// maxStatements bounds those that are kept. River and this package have less than a
// hundred; a text beyond that is one that is made up.
const maxStatements = 200

// take returns the statement of the text, busy; nil if it is to be run as it was.
func (c *preparedConn) take(ctx context.Context, text string) (*statement, error) {
	s := c.statements[text]
	if s == nil {
		if len(c.statements) >= maxStatements {
			return nil, nil
		}
		made, err := c.PrepareContext(ctx, text)
		if err != nil {
			return nil, err
		}
		s = &statement{Stmt: made}
		c.statements[text] = s
	}
	if s.busy {
		return nil, nil
	}
	s.busy = true
	return s, nil
}

// ExecContext runs a statement that returns no rows.
func (c *preparedConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.take(ctx, text)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.sqliteConn.ExecContext(ctx, text, args)
	}
	defer func() { s.busy = false }()
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

// QueryContext runs a statement that returns rows.
func (c *preparedConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.take(ctx, text)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.sqliteConn.QueryContext(ctx, text, args)
	}
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	if err != nil {
		s.busy = false
		return nil, err
	}
	return &preparedRows{rows, s}, nil
}

// Close ends the statements with the connection.
func (c *preparedConn) Close() error {
	var faults []error
	for _, s := range c.statements {
		faults = append(faults, s.Close())
	}
	clear(c.statements)
	return errors.Join(append(faults, c.sqliteConn.Close())...)
}

// preparedRows free their statement.
type preparedRows struct {
	driver.Rows
	of *statement
}

// Close ends the rows.
func (r *preparedRows) Close() error {
	r.of.busy = false
	return r.Rows.Close()
}
