package secrets

import "context"

// Monitor counts and times what operators watch. Its methods neither fail nor block.
type Monitor interface {
	// Revealing returns a context that collects the durations of a reveal's phases;
	// Revealed reports them together with the number of values that leave.
	Revealing(ctx context.Context) context.Context
	Revealed(ctx context.Context, values int)
	Throttled(ctx context.Context) // the budget refused a reveal
	Denied(ctx context.Context)    // a request came without a valid key
}

// Phase is a part of a reveal. Charge and Read run in parallel; then Open and Record do.
type Phase string

// All phases.
const (
	PhaseCharge Phase = "Charge" // charge the budget
	PhaseRead   Phase = "Read"   // read the sealed value and its secret
	PhaseOpen   Phase = "Open"   // unwrap the data key in KMS
	PhaseRecord Phase = "Record" // stamp the reveal on the item, and append its event
)

type phaseKey struct{}

// withPhase marks the AWS calls under the returned context as part of a phase.
func withPhase(ctx context.Context, p Phase) context.Context {
	return context.WithValue(ctx, phaseKey{}, p)
}

// PhaseOf returns the phase that a call belongs to. A Monitor times calls by it.
func PhaseOf(ctx context.Context) (Phase, bool) {
	p, ok := ctx.Value(phaseKey{}).(Phase)
	return p, ok
}
