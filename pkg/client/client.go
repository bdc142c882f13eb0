package client

import (
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Client calls the API of one deployment with one key. [New] makes clients: the zero Client does not work.
type Client struct {
	base       string // URL without a slash at the end
	key        Value
	transport  http.RoundTripper
	tries      int
	tryTimeout time.Duration
	maxWait    time.Duration
	backoff    time.Duration // after the first try
	settling   time.Duration
}

// An Option changes a default of a [Client].
type Option func(*Client)

// WithTransport sends requests through rt, which must follow no redirects and must not send a request twice. An
// [http.Transport] does neither, also where it would repeat other requests.
func WithTransport(rt http.RoundTripper) Option { return func(c *Client) { c.transport = rt } }

// WithTries limits how often a request is sent. The default is 4; a number below 1 counts as 1. The looks that
// follow a lost answer do not count.
func WithTries(n int) Option { return func(c *Client) { c.tries = max(n, 1) } }

// WithTryTimeout limits one try, from its connection to the end of its answer. The default is 30 seconds: API
// Gateway answers within 29. 0 or less means no limit.
func WithTryTimeout(d time.Duration) Option {
	return func(c *Client) {
		if c.tryTimeout = d; d <= 0 {
			c.tryTimeout = math.MaxInt64
		}
	}
}

// WithMaxWait limits the Retry-After that the client obeys by waiting. A longer one ends the call at once; see
// [Throttled]. The default is 30 seconds.
func WithMaxWait(d time.Duration) Option { return func(c *Client) { c.maxWait = d } }

// New returns a client of the deployment at a base URL, such as https://host or https://host/stage, without /api.
// It makes no request. It refuses a malformed key or URL, and http except to localhost and loopback addresses,
// because the key would be readable on the network. Its errors contain neither argument.
func New(baseURL, key string, options ...Option) (*Client, error) {
	u, err := url.Parse(baseURL)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.ForceQuery || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("client: malformed URL: want https://host or https://host/stage")
	case strings.HasSuffix(strings.TrimRight(u.Path, "/"), "/api"): // each path would be unknown, as a missing object's is
		return nil, errors.New("client: the URL ends in /api: want https://host or https://host/stage")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return nil, errors.New("client: want an https URL: only to a loopback address does http keep the key private")
	case !isKey(key):
		return nil, errors.New("client: malformed API key: want all of gob_…, as it was shown when it was created")
	}
	c := &Client{
		base: strings.TrimRight(u.String(), "/"), key: NewValue(key),
		tries: 4, tryTimeout: 30 * time.Second, maxWait: 30 * time.Second, backoff: firstBackoff, settling: settling,
	}
	for _, option := range options {
		option(c)
	}
	if c.transport == nil {
		c.transport = newTransport()
	}
	return c, nil
}

// isLoopback knows the same hosts as http.ProxyFromEnvironment, so that no proxy sees the key.
func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

var keyPattern = regexp.MustCompile(`^gob_[0-9a-zA-Z]{49}$`)

// isKey checks the form of a key, and its checksum: the CRC-32 of what precedes it, in base 62.
func isKey(key string) bool {
	if !keyPattern.MatchString(key) {
		return false
	}
	body, sum := key[:len(key)-6], key[len(key)-6:]
	crc := new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte(body))))
	return fmt.Sprintf("%06s", crc.Text(62)) == sum
}

// newTransport returns a transport that does not repeat requests with a body that cannot be rewound. HTTP/2
// would send the empty body of a reveal as a frame, which some proxies refuse. Idle connections end before
// those of usual servers, so that a reveal rarely meets a closed one.
func newTransport() *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConnsPerHost:    10,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		Protocols:              &protocols,
	}
}
