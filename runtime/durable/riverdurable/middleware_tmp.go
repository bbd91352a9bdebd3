package riverdurable

import "github.com/riverqueue/river/rivertype"

func insertionMiddleware() []rivertype.Middleware { return []rivertype.Middleware{insertion{}} }
