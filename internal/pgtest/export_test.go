package pgtest

// Program is the path of one of PostgreSQL's programs.
func Program(name string) string { return find().path(name) }

// Missing tells what is missing in a folder of programs.
func Missing(dir string) error { return programs(dir).check() }
