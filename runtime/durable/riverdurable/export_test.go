package riverdurable

import "context"

// CancelInRiver cancels a job as River's tools do.
func (e *engine[TTx]) CancelInRiver(ctx context.Context, id string) error {
	n, err := parseID(id)
	if err != nil {
		return err
	}
	_, err = e.client.JobCancel(ctx, n)
	return err
}

// ID is the id of the session's River client.
func (s *session[TTx]) ID() string { return s.id }

// Orphans returns a look for orphans, which releases them at the second.
func (s *session[TTx]) Orphans() (look func()) {
	var seen orphans
	return func() { s.adopt(context.Background(), &seen, 0) }
}
