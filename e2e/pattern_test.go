package e2e

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// vars are the names that a scenario knows, mostly of ids.
//
// Requests and expectations are written as patterns:
//
//	{NAME}           the value of NAME; a new NAME in an expectation matches a UUID,
//	                 which becomes its value
//	{NAME:upper}     the same in upper case
//	<uuid>           a UUID
//	<datetime>       a time in UTC with six digits after the point
//	<reason>         words, without a double quote
//	<number>         digits
//	<delivery>       status and deploy_successful of a secret that services use: no test
//	                 knows when its delivery happens
//	<...>            anything
//	<repeat:x:N>     x, N times
type vars map[string]string

const (
	uuidPattern     = `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`
	datetimePattern = `[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z`
)

// bundlePattern is a bundle or null: see deliveryPattern.
const bundlePattern = `(?:null|{"name":"goblins/[^"]+","region":"[a-z0-9-]+","arn":"arn:aws:secretsmanager:[^"]+"})`

const deliveryPattern = `"status":"(?:(?:pending|failed)","deploy_successful":false|(?:deploying|ready)","deploy_successful":true)`

var (
	namePattern   = regexp.MustCompile(`\{[A-Z][A-Z0-9_]*(:upper)?\}`)
	repeatPattern = regexp.MustCompile(`<repeat:(.+?):([0-9]+)>`)
)

// fill replaces known names and repetitions.
func (v vars) fill(pattern string) string {
	pattern = repeatPattern.ReplaceAllStringFunc(pattern, func(text string) string {
		parts := repeatPattern.FindStringSubmatch(text)
		n, _ := strconv.Atoi(parts[2])
		return strings.Repeat(parts[1], n)
	})
	return namePattern.ReplaceAllStringFunc(pattern, func(text string) string {
		name, upper := strings.CutSuffix(strings.Trim(text, "{}"), ":upper")
		value, ok := v[name]
		switch {
		case !ok:
			return text
		case upper:
			return strings.ToUpper(value)
		}
		return value
	})
}

// match matches a text against a pattern, and returns the values of new names.
func (v vars) match(pattern, text string) (found vars, ok bool) {
	// Replace long repetitions first: a regular expression of them would be slow.
	for _, parts := range repeatPattern.FindAllStringSubmatch(pattern, -1) {
		if long := v.fill(parts[0]); len(long) > 1000 {
			text = strings.Replace(text, long, "<long>", 1)
			pattern = strings.Replace(pattern, parts[0], "<long>", 1)
		}
	}
	pattern = v.fill(pattern)
	if pattern == text {
		return nil, true
	}
	expression := regexp.QuoteMeta(pattern)
	for placeholder, class := range map[string]string{
		"<uuid>": uuidPattern, "<datetime>": datetimePattern, "<reason>": `[^"]+`, "<number>": `[0-9]+`, "<...>": `(?s:.*)`, "<delivery>": deliveryPattern, "<bundle>": bundlePattern,
	} {
		expression = strings.ReplaceAll(expression, regexp.QuoteMeta(placeholder), class)
	}
	names := namePattern.FindAllString(pattern, -1)
	for _, name := range names {
		expression = strings.Replace(expression, regexp.QuoteMeta(name), "("+uuidPattern+")", 1)
	}
	groups := regexp.MustCompile(`^` + expression + `$`).FindStringSubmatch(text)
	if groups == nil {
		return nil, false
	}
	found = vars{}
	for i, name := range names {
		found[strings.Trim(name, "{}")] = groups[i+1]
	}
	return found, true
}

// quote encodes a text as a JSON string with as few escapes as possible.
func quote(text string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		panic(err) // unreachable: any string can be encoded
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// step is one request of a story and its expected answer.
type step struct {
	name    string
	as      string // the client; A when empty
	request string // method and path
	body    string
	header  []string // of the request
	status  int
	want    string
	answers []string // headers of the answer
}

// story runs steps in order. They share one state and the names of earlier steps.
func story(t *testing.T, clients map[string]*client, known vars, steps []step) {
	t.Helper()
	known = maps.Clone(known)
	if known == nil {
		known = vars{}
	}
	for _, s := range steps {
		who := s.as
		if who == "" {
			who = "A"
		}
		ok := t.Run(s.name, func(t *testing.T) {
			method, path, _ := strings.Cut(s.request, " ")
			r := clients[who].do(t, method, known.fill(path), known.fill(s.body), s.header...)
			r.wantVars(t, s.status, s.want, known)
			r.wantHeader(t, s.answers...)
		})
		if !ok && len(namePattern.FindAllString(known.fill(s.want), -1)) > 0 {
			t.FailNow() // later steps need names of this one
		}
	}
}
