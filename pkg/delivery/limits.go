package delivery

import "time"

// Limits are what a Target accepts.
type Limits struct {
	BundleSize int // bytes of a bundle
	Pace       Pace
}

// Pace limits the versions that the deliveries of one secret make at the Target.
// Changes that come faster are coalesced: the newest one wins.
type Pace struct {
	Window time.Duration
	Burst  int           // versions in the Window without a pause,
	Every  time.Duration // then one in this time,
	Most   int           // and never more in the Window

	Reserved int // of Most, for changes: repairs of a drifted bundle leave them
}

// next returns the earliest time of the next version, given the times of the newest
// ones, newest first. The zero time means now. First and restored bundles (unserved)
// skip the pause after a burst.
func (p Pace) next(times []time.Time, served bool) time.Time {
	var next time.Time
	if served && len(times) >= p.Burst {
		// Now, if the window holds fewer than the burst; else after the pause.
		next = times[p.Burst-1].Add(p.Window)
		if paused := times[0].Add(p.Every); paused.Before(next) {
			next = paused
		}
	}
	if len(times) >= p.Most {
		if free := times[p.Most-1].Add(p.Window); free.After(next) {
			next = free
		}
	}
	return next
}
