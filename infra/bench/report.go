package main

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// report holds the measurements of a run.
type report struct {
	size    size
	started time.Time
	took    time.Duration

	counts    counts
	overheads []comparison
	large     comparison
	cold      coldStarts
	stack     localStack
	streamed  comparison
	delay     delay
}

// The goals.
const (
	maxOverhead   = 1.10
	maxLarge      = 1.10
	maxColdStart  = 1.5
	maxStackBytes = 150 << 20
	maxStackReady = 3 * time.Second
	maxStreamed   = 1.25
	maxDelay      = 1500 * time.Millisecond
)

// goal is a requirement. A counted goal has the same result on every machine.
type goal struct {
	name, want, is string
	met, counted   bool
}

// goals lists the counted goals.
func (c counts) goals() []goal {
	const oneQuery = "1 GetItem, 1 Query"
	return []goal{
		{"write units of a reveal", "3", units(c.reveal.writes), c.reveal.writes == 3, true},
		{"read units of a reveal", "2", units(c.reveal.reads), c.reveal.reads == 2, true},
		{"KMS calls of a reveal", "1", strconv.Itoa(c.reveal.kms()), c.reveal.kms() == 1, true},
		{"write units of charging a full read counter", "1", units(c.counterUnits), c.counterUnits == 1, true},
		{"a full read counter", "≤ 1,024 bytes", thousands(c.counterBytes) + " bytes", c.counterBytes <= 1024, true},
		{"calls of a list", oneQuery, c.list.String(), c.list.String() == oneQuery, true},
		{"KMS calls of a list", "0", strconv.Itoa(c.list.kms()), c.list.kms() == 0, true},
		{"write units of a new value, in a secret that no service uses", "8", units(c.unused.writes), c.unused.writes == 8, true},
		{"write units of a new value, in a secret that services use", "10", units(c.used.writes), c.used.writes == 10, true},
		{"the floor's calls, units and bytes are the product's", "yes", yesNo(c.floorEqual), c.floorEqual, true},
	}
}

// goals lists all goals, the counted ones first.
func (r *report) goals() []goal {
	goals := r.counts.goals()
	for _, o := range r.overheads {
		goals = append(goals, atMost(fmt.Sprintf("%s / floor, p50, %s", o.name, clientsText(o.clients)), o.ratio(), maxOverhead))
	}
	goals = append(goals,
		atMost(fmt.Sprintf("reveal with %s items / with %d, p50", thousands(r.size.largeItems), smallItems), r.large.ratio(), maxLarge),
		atMost("cold start of get-item / hello, p50", ratio(p50(r.cold.function), p50(r.cold.hello)), maxColdStart),
		atMost("binary of get-item / hello", float64(r.cold.functionBytes)/float64(r.cold.helloBytes), maxColdStart),
		goal{"memory of the local stack", "≤ 150 MB", megabytes(r.stack.memory), r.stack.memory <= maxStackBytes, false},
		goal{
			"local stack ready, p50, fresh", "≤ 3 s", milliseconds(p50(r.stack.fresh)) + " ms",
			p50(r.stack.fresh) <= maxStackReady, false,
		},
		atMost(
			fmt.Sprintf("a write to the local table after %s others / after few, p50", thousands(r.size.streamed)),
			r.streamed.ratio(), maxStreamed,
		),
		goal{
			"from a write to ready, p50, local stack", "≤ 1.5 s", seconds(p50(r.delay.ready)),
			p50(r.delay.ready) <= maxDelay, false,
		},
		goal{
			fmt.Sprintf("deliveries of %s changes in a burst", thousands(r.delay.changes)), "≤ 20", strconv.Itoa(r.delay.deliveries),
			r.delay.deliveries <= 20, false,
		},
	)
	return goals
}

func atMost(name string, is, want float64) goal {
	return goal{name, "≤ " + fixed(want), fixed(is), is <= want, false}
}

// missed reports whether a counted goal is missed.
func (c counts) missed() bool {
	return slices.ContainsFunc(c.goals(), func(g goal) bool { return !g.met })
}

// markdown renders docs/benchmarks.md.
func (r *report) markdown() string {
	var d document
	d.text(`# Benchmarks

` + "`make bench`" + ` generates this page in some minutes. Times differ between machines, and emulators answer faster than AWS.
Only the counts and the ratios carry over; each ratio is measured within this one run.`)

	d.text(`## Goals

Counted values are the same on every machine, and ` + "`make bench`" + ` fails if one misses its goal. Measured values differ
between machines and are only reported.`)
	d.table("goal||is|wanted|met|")
	for _, g := range r.goals() {
		d.row(g.name, g.is, g.want, yesNo(g.met), map[bool]string{true: "counted", false: "measured"}[g.counted])
	}

	d.text(`## AWS calls and units of each operation

The whole product makes one call of each route. Calls are counted in the SDK; units are those that DynamoDB reports.
The reveal is the first of its user. Values have ` + strconv.Itoa(len(plaintext)) + ` bytes; one read unit covers a value of up to 3 KB.`)
	d.table("function||calls||read units|write units")
	for _, route := range r.counts.routes {
		name := "`" + route.name + "`"
		if route.note != "" {
			name += ", " + route.note
		}
		d.row(name, route.count.String(), units(route.count.reads), units(route.count.writes))
	}
	c := r.counts
	d.text(fmt.Sprintf(`DynamoDB's answer does not include a refused reveal's write unit. AWS bills it for a failed condition on a row of up
to 1 KB.

**A full read counter.** A user who has revealed more than %d values, ever, has a full counter: %d to %d times.
It has %s bytes at most, by DynamoDB's rules. Charging it costs %s write unit. Every %dth reveal trims the counter,
by a separate parallel call: %s write units per reveal, %s in total. `,
		readLimit, readLimit, readLimit+trimAfter, thousands(c.counterBytes), units(c.counterUnits),
		trimAfter+1, units(c.trims), units(c.writes)))

	d.text(`## A million reveals

Users have full counters. Prices are in US dollars, in us-east-1, without free tiers.`)
	d.table("service||a reveal||dollars")
	total := 0.0
	for _, line := range c.revealCost() {
		d.row(line.service, line.quantity, fixed(line.dollars))
		total += line.dollars
	}
	d.row("**together**", "", "**"+fixed(total)+"**")
	d.text(`Assumptions: 35 ms billed for each invocation (see [Memory](#memory)), not measured on AWS; values to 3 KB. The
authorizer's answer is cached, so it costs one call per key and minute. Not included: logs, the storage of events,
backups, the stream, data transfer.`)

	d.text(`## The product against the floor

The *floor* is a bare function that makes the same AWS calls for the same work, in parallel where the product does.
It uses the same expressions, rows of the same size, and bare SDK clients of the same configuration. It uses AES-GCM
where the product seals. The product is the whole HTTP handler, from a routed request with its caller to the recorded
answer: JSON, checks, domain, store, sealing. Neither includes routing and the Lambda adapter. Times in milliseconds.`)
	d.table("operation||clients|p50|floor|ratio|its middle half|p99|floor|ratio|calls failed")
	for _, o := range r.overheads {
		d.row(o.name, strconv.Itoa(o.clients), milliseconds(p50(o.a)), milliseconds(p50(o.b)), fixed(o.ratio()), middleHalf(o.rounds),
			milliseconds(p99(o.a)), milliseconds(p99(o.b)), fixed(ratio(p99(o.a), p99(o.b))), failures(o))
	}
	d.text(fmt.Sprintf(`Method: dynoxide with its table in memory, and the local KMS, run in this process. After one uncounted round,
%d rounds follow. Each has a block of the product and a block of the floor, in alternating order.
A block has %d calls for one client, and %d calls per client for %d clients. Percentiles are over all calls.
The ratio of p50s is computed in each round; the table shows the median, and the middle half of the ratios.
Garbage is collected before each block. Every client reveals as a separate user with a full read counter. The counter
is refilled before each block, so that both sides trim equally often. Lists have %d items. Calls that fail because a
connection broke are not timed (product + floor).`, r.size.rounds, r.size.alone, r.size.together, manyClients, listed))

	d.text(`## A large account against a small one

This compares reveals in a secret with many items and in one with few. Two accounts share one table of dynoxide, on
disk, in rounds as above. Times in milliseconds.`)
	d.table("items|p50|p99")
	d.row(thousands(r.size.largeItems), milliseconds(p50(r.large.a)), milliseconds(p99(r.large.a)))
	d.row(strconv.Itoa(smallItems), milliseconds(p50(r.large.b)), milliseconds(p99(r.large.b)))
	d.row("ratio", fixed(r.large.ratio()), fixed(ratio(p99(r.large.a), p99(r.large.b))))
	d.text("The middle half of the rounds' p50 ratios: " + middleHalf(r.large.rounds) + ".")

	d.text(`## Cold starts

A cold start lasts from the start of the process to its first request for work, against a stand-in for Lambda's
runtime API. This compares get-item with the smallest function in Go (` + "`infra/bench/hello`" + `). Both are built as for
Lambda, but for this machine, with the same environment. Lambda gives a function of 256 MB a fraction of a core, so
each start lasts several times as long there. Times in milliseconds.`)
	d.table("function||p50|p99|binary")
	d.row("`get-item`", milliseconds(p50(r.cold.function)), milliseconds(p99(r.cold.function)), megabytes(r.cold.functionBytes))
	d.row("`hello`", milliseconds(p50(r.cold.hello)), milliseconds(p99(r.cold.hello)), megabytes(r.cold.helloBytes))
	d.row("ratio", fixed(ratio(p50(r.cold.function), p50(r.cold.hello))), fixed(ratio(p99(r.cold.function), p99(r.cold.hello))),
		fixed(float64(r.cold.functionBytes)/float64(r.cold.helloBytes)))
	d.row("`get-item` to its first answer", milliseconds(p50(r.cold.answer)), milliseconds(p99(r.cold.answer)), "")
	d.text(fmt.Sprintf("Each was started %d times, alternately. The first answer is a reveal, over new connections to the emulators.",
		r.size.starts))

	d.text(fmt.Sprintf(`## Memory

After %d reveals get-item uses %s of memory. Its start and first reveal use %s ms of CPU, each further reveal
%s ms. Lambda gives a function CPU in proportion to its memory, one core at 1,769 MB. The table scales the CPU time
accordingly, and excludes the wait for AWS. Only the price of a million reveals' duration includes that wait
(%s ms each assumed, arm64, us-east-1). These are estimates, not measured on AWS.`,
		1+warmAnswers, megabytes(r.cold.memory), milliseconds(r.cold.coldCPU), milliseconds(r.cold.warmCPU), milliseconds(assumedWait)))
	d.table("memory||first reveal, ms|further reveal, ms|dollars a million")
	for _, size := range []int{128, 256, 512, 1024, 1769} {
		stretch := func(cpu time.Duration) time.Duration { return cpu * 1769 / time.Duration(size) }
		billed := stretch(r.cold.warmCPU) + assumedWait
		d.row(fmt.Sprintf("%d MB", size), milliseconds(stretch(r.cold.coldCPU)), milliseconds(stretch(r.cold.warmCPU)),
			fixed(1e6*billed.Seconds()*float64(size)/1024*priceLambdaGBs))
	}

	d.text(`## The local stack

This measures the stack of ` + "`make run`" + `, after it is built, from its start until it has written its ` + "`env`" + ` file.`)
	d.table("||p50|slowest")
	d.row("ready, on an empty data folder", milliseconds(p50(r.stack.fresh))+" ms", milliseconds(last(r.stack.fresh))+" ms")
	d.row("ready, on a used data folder", milliseconds(p50(r.stack.again))+" ms", milliseconds(last(r.stack.again))+" ms")
	d.text(fmt.Sprintf(`Each was started %d times. After %d requests (creates, reveals, lists) its %d processes use %s of memory together.
Shared memory is counted once.`,
		r.size.stackRuns, stackRequests, r.stack.processes, megabytes(r.stack.memory)))

	d.text(fmt.Sprintf(`The emulator keeps the stream's records of all rows ever written. A write after %s others lasts %s ms, one after
few %s ms (p50 of rounds as above; ratio %s, its middle half %s).`,
		thousands(r.size.streamed), milliseconds(p50(r.streamed.a)), milliseconds(p50(r.streamed.b)),
		fixed(r.streamed.ratio()), middleHalf(r.streamed.rounds)))

	d.text(`## Delivery

A delivery lasts from the answer to a write until the secret's ` + "`status`" + ` is ` + "`ready`" + `, on the local stack with the
template's parameters. The stack gathers changes for ` + "`DeployBatchSeconds`" + `, one second, and polls the stream ten times
a second. Lambda polls four times a second.`)
	d.table("||p50|p99")
	d.row(fmt.Sprintf("ready, %d items, %d changes, one after the other", r.delay.items, len(r.delay.ready)),
		seconds(p50(r.delay.ready)), seconds(p99(r.delay.ready)))
	d.text(fmt.Sprintf(`A burst of %s changes of one secret, by %d clients without a pause, lasted %s and became %d deliveries.
The secret was ready %s after its end. In 24 hours a secret is delivered at once 20 times, then once in 15 minutes.`,
		thousands(r.delay.changes), burstUsers, seconds(r.delay.took), r.delay.deliveries, seconds(r.delay.settled)))
	d.text("The delivery of a change costs these calls and units, by the number of the secret's items:")
	d.table("items|read units|write units|calls of KMS|calls of Secrets Manager|dollars a thousand")
	for _, made := range c.deliveries {
		d.row(strconv.Itoa(made.items), units(made.count.reads), units(made.count.writes), strconv.Itoa(made.count.kms()),
			strconv.Itoa(made.count.of("Secrets Manager ")), fixed(1000*made.count.deliveryCost()))
	}
	d.text("Not included: Lambda, and Secrets Manager's $0.40 a month for each secret that is used.")

	d.text(fmt.Sprintf(`---
Measured on %s with %d cores (%s/%s), clients and emulators on the same machine; the run took %s.`,
		runtime.Version(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, r.took.Round(time.Second)))
	return d.String()
}

// document builds Markdown.
type document struct{ strings.Builder }

func (d *document) text(paragraph string) {
	if d.Len() > 0 {
		d.WriteByte('\n')
	}
	d.WriteString(strings.TrimSpace(paragraph) + "\n")
}

// table begins a table. Columns are aligned to the right, those before "||" to the left.
func (d *document) table(header string) {
	var names, rules []string
	groups := strings.Split(header, "||")
	for i, group := range groups {
		rule := "---"
		if i == len(groups)-1 {
			rule = "---:"
		}
		for name := range strings.SplitSeq(group, "|") {
			names, rules = append(names, name), append(rules, rule)
		}
	}
	d.WriteByte('\n')
	d.row(names...)
	d.row(rules...)
}

func (d *document) row(cells ...string) { d.WriteString("| " + strings.Join(cells, " | ") + " |\n") }

func fixed(x float64) string { return strconv.FormatFloat(x, 'f', 2, 64) }

func units(n float64) string { return strings.TrimSuffix(fixed(n), ".00") }

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 2, 64)
}

func seconds(d time.Duration) string { return fixed(d.Seconds()) + " s" }

func megabytes(n int64) string { return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + " MB" }

func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

func middleHalf(sorted []float64) string {
	return fmt.Sprintf("%.2f–%.2f", quantile(sorted, 0.25), quantile(sorted, 0.75))
}

func failures(c comparison) string { return fmt.Sprintf("%d + %d", c.failed[0], c.failed[1]) }

func clientsText(n int) string {
	if n == 1 {
		return "1 client"
	}
	return fmt.Sprint(n, " clients")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "**no**"
}

func last[T any](s []T) T { return s[len(s)-1] }
