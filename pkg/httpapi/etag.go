package httpapi

import (
	"net/http"
	"strconv"
	"strings"

	"goblins-secrets/pkg/secrets"
)

// An ETag is the revision that a write rests on, in quotes. That of a secret also has its status, which a delivery
// changes: a client that waits for the status needs another tag, and a write does not.

func itemTag(it secrets.Item) string { return `"` + strconv.FormatInt(it.Revision, 10) + `"` }

func serviceTag(s secrets.Service) string { return `"` + strconv.FormatInt(s.Version, 10) + `"` }

func secretTag(s secrets.Secret, status secrets.Status) string {
	return `"` + strconv.FormatInt(s.Revision, 10) + "-" + string(status) + `"`
}

// tagged is an answer with one object.
func (a answer) tagged(tag string) answer {
	if a.header == nil {
		a.header = http.Header{}
	}
	a.header["ETag"] = []string{tag} // spelled as in RFC 9110
	return a
}

// notModified is the answer to a request whose If-None-Match has the object's tag.
func notModified(tag string) answer { return answer{status: http.StatusNotModified}.tagged(tag) }

// unlessKnown is the answer with an object, or that the client has it already.
func (a answer) unlessKnown(r *http.Request, tag string) answer {
	for _, known := range tags(r, "If-None-Match") {
		if strings.TrimPrefix(known, "W/") == tag { // the weak comparison, as RFC 9110 asks for
			return notModified(tag)
		}
	}
	return a.tagged(tag)
}

// tags are the entity tags of a header, which is a list. A comma in a tag splits it; no tag of this API has one.
func tags(r *http.Request, name string) (found []string) {
	for _, line := range r.Header.Values(name) {
		for tag := range strings.SplitSeq(line, ",") {
			found = append(found, strings.Trim(tag, " \t"))
		}
	}
	return found
}

// ifMatch reads If-Match: the revisions that a write may rest on. Weak tags and those that this API can't have made
// match nothing.
func ifMatch(r *http.Request, revision func(tag string) (int64, bool)) secrets.Match {
	if r.Header.Values("If-Match") == nil {
		return nil
	}
	match := secrets.Match{} // not nil: without a revision, nothing matches
	for _, tag := range tags(r, "If-Match") {
		if tag == "*" {
			return nil
		}
		if n, ok := revision(tag); ok {
			match = append(match, n)
		}
	}
	return match
}

// revisions are those whose tags a request has in If-None-Match.
func revisions(r *http.Request, revision func(tag string) (int64, bool)) (known secrets.Match) {
	for _, tag := range tags(r, "If-None-Match") {
		if n, ok := revision(strings.TrimPrefix(tag, "W/")); ok {
			known = append(known, n)
		}
	}
	return known
}

// revisionTag reads the tag of an item or a service.
func revisionTag(tag string) (int64, bool) {
	n, err := strconv.ParseInt(strings.Trim(tag, `"`), 10, 64)
	return n, err == nil && tag == `"`+strconv.FormatInt(n, 10)+`"`
}

// secretRevision reads the tag of a secret. Its status does not count.
func secretRevision(tag string) (int64, bool) {
	revision, _, found := strings.Cut(tag, "-")
	if !found || !strings.HasSuffix(tag, `"`) {
		return 0, false
	}
	return revisionTag(revision + `"`)
}
