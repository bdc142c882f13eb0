package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"goblins-secrets/pkg/client"
)

// afterCut cuts the first request with a method before the server, and has another client act then.
func afterCut(t *testing.T, w *world, method string, rival func() error) (*proxy, *client.Client) {
	t.Helper()
	cut := once(method, cutBefore)
	p := newProxy(t, func(r *http.Request) (fault, bool) {
		f, isHit := cut(r)
		if isHit {
			if err := rival(); err != nil {
				t.Error(err)
			}
		}
		return f, isHit
	})
	return p, newClient(t, p.URL, w.key)
}

// The call has done nothing here. It reports neither success nor that its object is another's.
func TestAnotherClientCreatesTheName(t *testing.T) {
	w := newWorld(t)
	var theirs client.Item
	p, c := afterCut(t, w, http.MethodPost, func() (err error) {
		theirs, err = w.direct.CreateItem(t.Context(), w.used.ID, "NEW", client.NewValue("theirs"))
		return err
	})
	_, err := c.CreateItem(t.Context(), w.used.ID, "NEW", client.NewValue(plaintext))
	e, _ := errors.AsType[*client.Error](err)
	if !client.IsUncertain(err) || e.Found != theirs || p.count(http.MethodPost) != 0 {
		t.Errorf("error = %v, Found = %v, want an uncertain one with %v", err, e.Found, theirs)
	}
	if v := must(w.direct.Reveal(t.Context(), w.used.ID, theirs.ID))(t); v.Reveal() != "theirs" {
		t.Error("the other client's value is lost")
	}
}

// The name is free for the look, and taken for the repeated request.
func TestAnotherClientCreatesTheNameAfterTheLook(t *testing.T) {
	w := newWorld(t)
	var theirs client.Secret
	posts := 0
	p := newProxy(t, func(r *http.Request) (fault, bool) {
		if r.Method == http.MethodPost {
			if posts++; posts == 2 {
				theirs = must(w.direct.CreateSecret(t.Context(), "new"))(t)
			}
		}
		return cutBefore, r.Method == http.MethodPost && posts == 1
	})
	_, err := newClient(t, p.URL, w.key).CreateSecret(t.Context(), "new")
	e, _ := errors.AsType[*client.Error](err)
	if !client.IsUncertain(err) || e.Found != theirs || len(client.FieldErrors(err)["name"]) != 1 {
		t.Errorf("error = %v, Found = %v, want an uncertain one about the name, with %v", err, e.Found, theirs)
	}
}

// A change of another client is never overwritten once the look shows it.
func TestAnotherClientUpdates(t *testing.T) {
	for name, both := range map[string]struct {
		theirs, ours func(context.Context, *world, *client.Client) (any, error)
	}{
		"item": {
			func(ctx context.Context, w *world, c *client.Client) (any, error) {
				return c.UpdateItem(ctx, w.item, client.ItemChange{Value: client.NewValue("theirs")})
			},
			func(ctx context.Context, w *world, c *client.Client) (any, error) {
				return c.UpdateItem(ctx, w.item, client.ItemChange{Key: "OURS"})
			},
		},
		"secret": {
			func(ctx context.Context, w *world, c *client.Client) (any, error) {
				return c.RenameSecret(ctx, w.secret, "theirs")
			},
			func(ctx context.Context, w *world, c *client.Client) (any, error) {
				return c.RenameSecret(ctx, w.secret, "ours")
			},
		},
		"service": {
			func(ctx context.Context, w *world, c *client.Client) (any, error) {
				wanted := w.service
				wanted.Image = "theirs:1"
				return c.UpdateService(ctx, w.service, wanted)
			},
			func(ctx context.Context, w *world, c *client.Client) (any, error) {
				wanted := w.service
				wanted.Port = 81
				return c.UpdateService(ctx, w.service, wanted)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var theirs any
			p, c := afterCut(t, w, http.MethodPatch, func() (err error) {
				theirs, err = both.theirs(t.Context(), w, w.direct)
				return err
			})
			_, err := both.ours(t.Context(), w, c)
			e, _ := errors.AsType[*client.Error](err)
			if !client.IsUncertain(err) || e.Found != theirs || p.count(http.MethodPatch) != 0 {
				t.Errorf("error = %v, want an uncertain one with %v", err, theirs)
			}
		})
	}
}

// An update sends only the fields that it changes, so it keeps what another client has put into the others.
func TestUpdatesKeepOtherFields(t *testing.T) {
	w := newWorld(t)
	theirs, ours := w.service, w.service
	theirs.Image, ours.Port = "theirs:1", 81
	must(w.direct.UpdateService(t.Context(), w.service, theirs))(t)
	s := must(w.direct.UpdateService(t.Context(), w.service, ours))(t)
	if s.Image != "theirs:1" || s.Port != 81 {
		t.Errorf("UpdateService = %+v, want both changes", s)
	}
}

// Another client makes the same visible change: the object is as wanted.
func TestAnotherClientMakesTheSameChange(t *testing.T) {
	w := newWorld(t)
	p, c := afterCut(t, w, http.MethodPatch, func() error {
		_, err := w.direct.RenameSecret(t.Context(), w.secret, "renamed")
		return err
	})
	s, err := c.RenameSecret(t.Context(), w.secret, "renamed")
	if err != nil || s.Name != "renamed" || p.count(http.MethodPatch) != 0 {
		t.Errorf("RenameSecret = %v, %v, want the renamed one without another request", s, err)
	}
}

func TestAnotherClientDeletes(t *testing.T) {
	for name, call := range map[string]struct {
		method string
		run    func(context.Context, *world, *client.Client) error
	}{
		"update": {http.MethodPatch, func(ctx context.Context, w *world, c *client.Client) error {
			_, err := c.UpdateItem(ctx, w.item, client.ItemChange{Key: "OURS"})
			return err
		}},
		"delete": {http.MethodDelete, func(ctx context.Context, w *world, c *client.Client) error {
			return c.DeleteItem(ctx, w.used.ID, w.item.ID)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p, c := afterCut(t, w, call.method, func() error { return w.direct.DeleteItem(t.Context(), w.used.ID, w.item.ID) })
			err := call.run(t.Context(), w, c)
			if !client.IsUncertain(err) || !client.IsNotFound(err) || len(p.requests()) != 2 {
				t.Errorf("error = %v, want an uncertain one about a missing object, after one look: %v", err, p.requests())
			}
		})
	}
}

// Without a lost answer, a missing object is certain.
func TestMissingObjects(t *testing.T) {
	w := newWorld(t)
	if err := w.direct.DeleteItem(t.Context(), w.used.ID, w.item.ID); err != nil {
		t.Fatal(err)
	}
	_, noKey := w.direct.ItemWithKey(t.Context(), w.used.ID, "KEY")
	_, update := w.direct.UpdateItem(t.Context(), w.item, client.ItemChange{Key: "K"})
	for name, err := range map[string]error{
		"delete": w.direct.DeleteItem(t.Context(), w.used.ID, w.item.ID), "find": noKey, "update": update,
	} {
		if !client.IsNotFound(err) || client.IsUncertain(err) {
			t.Errorf("%s: error = %v, want a certain one about a missing object", name, err)
		}
	}
}

// A 404 of a proxy does not say that an object is gone, neither to a delete nor to its look.
func TestPagesAreNotMissingObjects(t *testing.T) {
	for name, tt := range map[string]struct {
		did         int
		f           fault
		isUncertain bool
		sent        int
	}{
		"delete": {0, fault{status: http.StatusNotFound, page: true}, false, 1},
		"look":   {1, cutAfter, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := newProxy(t, func(r *http.Request) (fault, bool) {
				if r.Method == http.MethodDelete {
					return tt.f, true
				}
				return fault{status: http.StatusNotFound, page: true}, true
			})
			err := newClient(t, p.URL, w.key).DeleteSecret(t.Context(), w.secret.ID)
			if err == nil || client.IsNotFound(err) || client.IsUncertain(err) != tt.isUncertain || len(p.requests()) != tt.sent || p.count(http.MethodDelete) != tt.did {
				t.Errorf("error = %v after %v, want one that is uncertain: %v", err, p.requests(), tt.isUncertain)
			}
		})
	}
}

// The first request is lost, and the repeated one refused: it stays uncertain whether the first was done.
func TestRefusalsAfterALostAnswerAreUncertain(t *testing.T) {
	w := newWorld(t)
	p, c := afterCut(t, w, http.MethodDelete, func() error {
		_, err := w.direct.CreateService(t.Context(), client.Service{Name: "another", Image: "app:1", Port: 80, SecretID: w.secret.ID})
		return err
	})
	err := c.DeleteSecret(t.Context(), w.secret.ID)
	if !client.IsConflict(err) || !client.IsUncertain(err) || client.IsNotFound(err) {
		t.Errorf("error = %v, want an uncertain conflict: %v", err, p.requests())
	}
	path := "/api/secrets/" + w.secret.ID + "/"
	if want := []string{"DELETE " + path, "GET " + path, "DELETE " + path, "GET " + path}; !slices.Equal(p.requests(), want) {
		t.Errorf("requests = %v, want %v", p.requests(), want)
	}
}

// The first request is lost, and the repeated one throttled for long: the client sends nothing more.
func TestThrottledAfterALostAnswer(t *testing.T) {
	var sent []string
	c := newClient(t, "https://host", newKey(t), client.WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
		switch sent = append(sent, r.Method); len(sent) {
		case 1:
			return nil, errors.New("cut")
		case 2:
			return answerOf(http.StatusOK, `{"id":"s","name":"n"}`), nil
		}
		return answerOf(http.StatusTooManyRequests, "", "Retry-After", "60"), nil
	})))
	err := c.DeleteSecret(t.Context(), "s")
	if wait, ok := client.Throttled(err); !ok || wait != time.Minute || !client.IsUncertain(err) {
		t.Errorf("error = %v, want an uncertain one with a wait", err)
	}
	if want := []string{"DELETE", "GET", "DELETE"}; !slices.Equal(sent, want) {
		t.Errorf("requests = %v, want %v", sent, want)
	}
}

// A context that ends while the server works leaves a write uncertain, at once.
func TestCancelledWrites(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	p := newProxy(t, func(r *http.Request) (fault, bool) {
		cancel()
		return fault{forward: true, slow: 50 * time.Millisecond}, true
	})
	_, err := newClient(t, p.URL, w.key).CreateSecret(ctx, "new")
	if !client.IsUncertain(err) || !errors.Is(err, context.Canceled) || len(p.requests()) != 1 {
		t.Errorf("error = %v after %v, want an uncertain cancellation after one request", err, p.requests())
	}
}

// A context that has ended before has no effect.
func TestCancelledBefore(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := newProxy(t, nil)
	_, err := newClient(t, p.URL, w.key).CreateSecret(ctx, "new")
	if client.IsUncertain(err) || !errors.Is(err, context.Canceled) || len(p.requests()) != 0 {
		t.Errorf("error = %v after %v, want a certain cancellation", err, p.requests())
	}
}

// A request that arrives long after its answer was lost is not followed by another one, which would make a second
// version of the value.
func TestLateUpdateIsNotRepeated(t *testing.T) {
	key := newKey(t)
	page := func(status int, body string) func() (*http.Response, error) {
		return func() (*http.Response, error) { return answerOf(status, body), nil }
	}
	for name, tt := range map[string]struct {
		deadline time.Duration
		lost     func() (*http.Response, error)
	}{
		"cut":                  {time.Hour, func() (*http.Response, error) { return nil, errors.New("cut") }},
		"without time to wait": {20 * time.Second, func() (*http.Response, error) { return nil, errors.New("cut") }},
		"a page of a proxy":    {time.Hour, page(http.StatusBadGateway, "<html>")},
		"JSON of a proxy":      {time.Hour, page(http.StatusGatewayTimeout, `{"message":"Endpoint request timed out","detail":null}`)},
		"fields of a proxy":    {time.Hour, page(http.StatusGatewayTimeout, `{"detail":["timeout"]}`)},
		"a 200 of a proxy":     {time.Hour, page(http.StatusOK, "<html>")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin, patches := time.Now(), 0
				c := newClient(t, "https://host", key, client.WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
					if r.Method == http.MethodPatch {
						patches++
						return tt.lost() // and done 25 seconds later
					}
					at := begin.Add(-time.Hour)
					if time.Since(begin) >= 25*time.Second {
						at = begin.Add(25 * time.Second)
					}
					return answerOf(http.StatusOK, fmt.Sprintf(`{"next":null,"results":[{"id":"i","secret":"s","key":"K","updated_at":%q}]}`, at.Format(time.RFC3339Nano))), nil
				})))
				ctx, cancel := context.WithTimeout(t.Context(), tt.deadline)
				defer cancel()
				read := client.Item{ID: "i", SecretID: "s", Key: "K", UpdatedAt: begin.Add(-time.Hour)}
				_, err := c.UpdateItem(ctx, read, client.ItemChange{Value: client.NewValue("new")})
				if !client.IsUncertain(err) || patches != 1 {
					t.Errorf("UpdateItem = %v after %d requests, want an uncertain error after 1", err, patches)
				}
			})
		})
	}
}

// An error of the API means that its function has ended: the look follows without a wait, and the update is repeated.
func TestUpdatesDoNotWaitAfterAnAnswerOfTheAPI(t *testing.T) {
	key := newKey(t)
	synctest.Test(t, func(t *testing.T) {
		begin, patches := time.Now(), 0
		c := newClient(t, "https://host", key, client.WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
			item := fmt.Sprintf(`{"id":"i","secret":"s","key":"K","updated_at":%q}`, begin.Format(time.RFC3339Nano))
			if r.Method != http.MethodPatch {
				return answerOf(http.StatusOK, `{"next":null,"results":[`+item+`]}`), nil
			}
			if patches++; patches == 1 {
				return answerOf(http.StatusGatewayTimeout, `{"detail":"A server error occurred."}`), nil
			}
			return answerOf(http.StatusOK, item), nil
		})))
		read := client.Item{ID: "i", SecretID: "s", Key: "K", UpdatedAt: begin}
		_, err := c.UpdateItem(t.Context(), read, client.ItemChange{Value: client.NewValue("new")})
		if waited := time.Since(begin); err != nil || patches != 2 || waited > time.Second {
			t.Errorf("UpdateItem = %v after %d requests and %v, want success after 2 at once", err, patches, waited)
		}
	})
}
