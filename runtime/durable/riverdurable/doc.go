// Package riverdurable keeps durable tasks in River (https://riverqueue.com): in a SQLite
// file of a single process, or in a PostgreSQL that several share.
//
//	engine, err := riverdurable.OpenSQLite("/var/lib/shop/tasks.db")
//	engine, err := riverdurable.OpenPostgres(ctx, pool) // a *pgxpool.Pool
//
// Put the engine into Config.Engine, and close it after Runtime.Shutdown. The jobs are
// River's own: one kind for each task, with its arguments as they are, so that River's
// user interface shows them and its tools cancel them.
//
// # What survives
//
// A job is stored when Enqueue returns, and stays until its outcome is stored. A process
// that dies leaves its jobs to others: with SQLite when the file is opened again, with
// PostgreSQL after a few seconds. An attempt that was under way then runs again, and so
// may one that had just ended: outcomes are stored in batches, within a quarter of a second.
//
// # SQLite
//
// The file belongs to one process, which a lock beside it (path + ".lock") sees to; it must
// be on a local disk. All writers take turns: a transaction of the application's on
// SQLite.DB that stays open holds up all of them. Commits wait for the disk, see RelaxedSync.
//
// # PostgreSQL
//
// Each Work session holds an advisory lock on a connection of its own for as long as it
// lives. PostgreSQL frees it when the process dies; the other sessions see that, and after
// a grace (LivenessGrace) they take the jobs over. So a long job is never taken from a
// process that lives, however long it runs. A process that loses its connections has its
// attempts canceled, with durable.ErrLost, before others may have their jobs.
//
// That connection has to be one: a pooler that hands out another server connection for
// each transaction (PgBouncer in transaction mode) loses the lock, and says nothing. Give
// a direct way with LockConnection then; River's notifications need one, too. An Enqueue is
// then a transaction with BEGIN and COMMIT again, in place of a statement that commits itself:
// should its context end, that one is to be canceled, and poolers may not pass that on.
//
// River's tables must be Postlude's alone: the River of another application would discard
// long jobs as stuck after an hour, and when it leads, nobody does what only Postlude's
// leader does; Postlude's in turn deletes its old jobs, and does not run its periodic ones.
// An application that uses River itself gives one of the two a schema of its own, with the
// search_path of its pool. Sessions warn when they see a leader that is not Postlude's.
package riverdurable
