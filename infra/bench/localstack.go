package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"goblins-secrets/infra/bench/compare"
	"goblins-secrets/infra/local/checkout"
)

const (
	stackRequests = 500 // before the memory is measured
	maxStackReady = 3 * time.Second
	maxStackBytes = 150 << 20

	exportItems = 300 // of a secret that is read whole
	exportRuns  = 20
	maxExport   = time.Second
)

// measureStack starts the local stack on an empty data folder, starts it again and uses it.
func measureStack(ctx context.Context, size size, dir string, r *report) error {
	binary, err := build(ctx, dir, "local", "./infra/local")
	if err != nil {
		return err
	}
	var (
		fresh, again []time.Duration // until ready
		bytes        int64
		processes    int
		exports      []time.Duration
	)
	for i := range size.stackRuns {
		data := filepath.Join(dir, fmt.Sprint("data-", i))
		for _, times := range []*[]time.Duration{&fresh, &again} {
			s, took, err := startStack(ctx, binary, data)
			if err != nil {
				return err
			}
			*times = append(*times, took)
			if i == 0 && times == &again {
				if err = s.use(stackRequests); err == nil {
					bytes, processes, err = memory(s.cmd.Process.Pid)
				}
				if err == nil {
					exports, err = s.export()
				}
			}
			if err := errors.Join(err, s.stop()); err != nil {
				return err
			}
		}
	}
	ready := compare.P50(fresh)
	r.goal("memory of the local stack", megabytes(bytes), "≤ 150 MB", bytes <= maxStackBytes)
	r.goal("local stack ready, p50, fresh", milliseconds(ready)+" ms", "≤ 3 s", ready <= maxStackReady)
	t := newTable(" | p50: | slowest:")
	t.row("ready, on an empty data folder", milliseconds(ready)+" ms", milliseconds(slices.Max(fresh))+" ms")
	t.row("ready, on a used data folder", milliseconds(compare.P50(again))+" ms", milliseconds(slices.Max(again))+" ms")
	export := compare.P50(exports)
	r.goal(fmt.Sprintf("all %d values of a secret at once, p50", exportItems), milliseconds(export)+" ms", "≤ 1 s", export <= maxExport)
	t.row(fmt.Sprintf("all %d values of a secret at once", exportItems), milliseconds(export)+" ms", milliseconds(slices.Max(exports))+" ms")
	t.row(fmt.Sprintf("memory of its %d processes", processes), megabytes(bytes), "")
	r.section("stack", t.String())
	return nil
}

// runningStack is a running process of the local stack.
type runningStack struct {
	cmd      *exec.Cmd
	url, key string
}

// startStack starts the local stack and returns the time until it is ready.
func startStack(ctx context.Context, binary, data string) (*runningStack, time.Duration, error) {
	root, err := checkout.Path()
	if err != nil {
		return nil, 0, err
	}
	cmd := exec.CommandContext(ctx, binary, "-addr", "127.0.0.1:0", "-data", data, "-set", "ReadLimit=1000")
	cmd.Dir = root
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, 0, err
	}
	s := &runningStack{cmd: cmd}
	for time.Since(start) < 30*time.Second {
		env, err := os.ReadFile(filepath.Join(data, "env"))
		if err == nil {
			took := time.Since(start)
			for line := range strings.Lines(string(env)) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
				switch value = strings.Trim(value, "'"); name {
				case "export API_URL":
					s.url = value
				case "export API_KEY":
					s.key = value
				}
			}
			return s, took, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, 0, errors.Join(err, s.stop())
		}
		time.Sleep(time.Millisecond)
	}
	return nil, 0, errors.Join(fmt.Errorf("the local stack is not ready: %s", stderr.String()), s.stop())
}

func (s *runningStack) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return s.cmd.Wait()
}

// use makes n requests: creates, reveals and lists, alternately.
func (s *runningStack) use(n int) error {
	var secretsPage struct{ Results []struct{ ID string } }
	if err := s.do("GET", "/api/secrets/", "", &secretsPage); err != nil {
		return err
	}
	items := "/api/secrets/" + secretsPage.Results[0].ID + "/items/"
	var item struct{ ID string }
	for i := 1; i < n; i++ {
		var err error
		switch i % 5 {
		case 1:
			err = s.do("POST", items, fmt.Sprintf(`{"key":"KEY_%d","value":%q}`, i, plaintext), &item)
		case 0:
			err = s.do("GET", items, "", nil)
		default:
			err = s.do("GET", items+item.ID+"/", "", nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// export fills a secret by batches, and reads it whole some times.
func (s *runningStack) export() (took []time.Duration, err error) {
	var secret struct{ ID string }
	if err := s.do("POST", "/api/secrets/", `{"name": "exported"}`, &secret); err != nil {
		return nil, err
	}
	const batch = 20
	for i := 0; i < exportItems; i += batch {
		var items []string
		for j := range batch {
			items = append(items, fmt.Sprintf(`{"key":"KEY_%d","value":%q}`, i+j, plaintext))
		}
		if err := s.do("POST", "/api/secrets/"+secret.ID+"/items/batch/", `{"items":[`+strings.Join(items, ",")+`]}`, nil); err != nil {
			return nil, err
		}
	}
	for range exportRuns {
		var values map[string]string
		start := time.Now()
		if err := s.do("GET", "/api/secrets/"+secret.ID+"/bundle/", "", &values); err != nil {
			return nil, err
		}
		if took = append(took, time.Since(start)); len(values) != exportItems {
			return nil, fmt.Errorf("a bundle has %d values, want %d", len(values), exportItems)
		}
	}
	return took, nil
}

func (s *runningStack) do(method, path, body string, into any) error {
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+s.key)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// memory returns the memory of a process and its descendants, and their number. Shared memory
// counts once. It reads Linux's /proc.
func memory(pid int) (bytes int64, processes int, err error) {
	children := make(map[int][]int)
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, 0, err
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil { // the process has ended
			continue
		}
		// pid (command) state parent …; the command may contain any character.
		fields := strings.Fields(string(stat[strings.LastIndex(string(stat), ")")+1:]))
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parent, _ := strconv.Atoi(fields[1])
		children[parent] = append(children[parent], child)
	}
	family := []int{pid}
	for i := 0; i < len(family); i++ {
		family = append(family, children[family[i]]...)
		own, err := proportionalSize(family[i])
		if err != nil {
			return 0, 0, err
		}
		bytes += own
	}
	return bytes, len(family), nil
}

func proportionalSize(pid int) (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kilobytes int64
		if n, _ := fmt.Sscanf(lines.Text(), "Pss: %d kB", &kilobytes); n == 1 {
			return kilobytes << 10, nil
		}
	}
	return 0, fmt.Errorf("process %d: no memory figure", pid)
}
