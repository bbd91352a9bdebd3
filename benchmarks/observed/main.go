// Command observed measures observed tasks.
package main

import "os"

func main() {
	if asChild(os.Args) {
		return
	}
}
