//go:build !unix

package taskz

import "time"

// cpu is not known here.
func cpu() time.Duration { return 0 }
