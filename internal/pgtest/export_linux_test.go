package pgtest

// Dir is the folder of a server.
func (s *Server) Dir() string { return s.cluster.dir }

// PID is the id of a server's process.
func (s *Server) PID() int { return s.cluster.proc.pid }

// Processes are the ids of a server's processes that are there.
func (s *Server) Processes() []int {
	pids := []int{s.PID()}
	for _, c := range children(s.PID()) {
		pids = append(pids, c.pid)
	}
	return pids
}

// Alive tells whether a process is there.
func Alive(pid int) bool {
	_, _, ok := look(pid)
	return ok
}
