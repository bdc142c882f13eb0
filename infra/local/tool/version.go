package tool

import "runtime/debug"

// Version names the build of a program, as Go records it, and Go's version.
func Version() string {
	build, _ := debug.ReadBuildInfo()
	return "goblins-secrets " + build.Main.Version + ", " + build.GoVersion
}
