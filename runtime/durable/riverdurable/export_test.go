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
