package riverdurable
import (
 _ "github.com/jackc/pgx/v5/pgxpool"
 _ "github.com/riverqueue/river"
 _ "github.com/riverqueue/river/rivermigrate"
 _ "github.com/riverqueue/river/riverdriver/riverpgxv5"
 _ "github.com/riverqueue/river/riverdriver/riversqlite"
 _ "github.com/riverqueue/river/rivershared/uniquestates"
 _ "modernc.org/sqlite"
 _ "go.uber.org/goleak"
 _ "github.com/postlude/postlude/runtime/durable"
 _ "github.com/postlude/postlude/runtime"
)
