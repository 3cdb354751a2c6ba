// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"

	"sealpod.test/e2e/lab"
)

// fakeWorkloadAPI serves what no real agent would, frame by frame. It is never
// called an agent: no test that speaks of a real SVID uses it.
type fakeWorkloadAPI struct {
	t      *testing.T
	dir    string
	certs  string
	socket string
	calls  atomic.Int64 // requests so far
	ca     *lab.Authority
}

// call is one request; number counts from 1.
type call struct {
	api     *fakeWorkloadAPI
	number  int64
	conn    net.Conn
	framer  *http2.Framer
	stream  uint32
	headers map[string]string
	body    []byte
	encoder *hpack.Encoder
	block   *bytes.Buffer
	window  [2]int // what may still be sent: on the connection, on the stream
}

func newFake(t *testing.T, serve func(*call)) *fakeWorkloadAPI {
	t.Helper()
	api := &fakeWorkloadAPI{t: t, dir: svidDir(t, lab.Root), certs: svidDir(t, lab.Mem), ca: lab.NewAuthority(t, "fake", nil)}
	api.socket = filepath.Join(api.dir, "fake.sock")
	listener, err := net.Listen("unix", api.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go api.converse(conn, serve)
		}
	}()
	return api
}

// converse reads the preface and then one request after the other.
func (api *fakeWorkloadAPI) converse(conn net.Conn, serve func(*call)) {
	defer conn.Close()
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(conn, preface); err != nil || string(preface) != http2.ClientPreface {
		return
	}
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	block := &bytes.Buffer{}
	encoder := hpack.NewEncoder(block)
	framer.WriteSettings() //nolint:errcheck // the client may be gone at any time
	window := [2]int{65535, 65535}
	var c *call
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.WindowUpdateFrame:
			window[0] += int(frame.Increment) // before any stream there is only the connection
		case *http2.SettingsFrame:
			if value, ok := frame.Value(http2.SettingInitialWindowSize); ok {
				window[1] = int(value)
			}
			if !frame.IsAck() {
				framer.WriteSettingsAck() //nolint:errcheck
			}
		case *http2.MetaHeadersFrame:
			c = &call{api: api, conn: conn, framer: framer, stream: frame.StreamID, headers: map[string]string{}, encoder: encoder, block: block, window: window}
			for _, field := range frame.Fields {
				c.headers[field.Name] = field.Value
			}
		case *http2.DataFrame:
			c.body = append(c.body, frame.Data()...)
			if frame.StreamEnded() {
				c.number = api.calls.Add(1)
				serve(c)
			}
		}
	}
}

// fields writes a header block.
func (c *call) fields(end bool, pairs ...string) {
	c.block.Reset()
	for i := 0; i < len(pairs); i += 2 {
		c.encoder.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}) //nolint:errcheck
	}
	c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: c.stream, BlockFragment: c.block.Bytes(), EndHeaders: true, EndStream: end}) //nolint:errcheck
}

func (c *call) begin() { c.fields(false, ":status", "200", "content-type", "application/grpc") }

func (c *call) status(code int, message string) {
	c.fields(true, "grpc-status", strconv.Itoa(code), "grpc-message", message)
}

// trailersOnly ends a call that never began.
func (c *call) trailersOnly(code int, message string) {
	c.fields(true, ":status", "200", "content-type", "application/grpc", "grpc-status", strconv.Itoa(code), "grpc-message", message)
}

// data writes bytes in frames of at most that size.
func (c *call) data(text []byte, size int) {
	for len(text) > 0 {
		n := min(size, len(text))
		if c.framer.WriteData(c.stream, false, text[:n]) != nil {
			return
		}
		text = text[n:]
	}
}

func framed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// svid changes how a fake SVID is made.
type fakeSVID struct {
	uri      string
	wrongKey bool
	notAfter time.Time
	before   time.Duration // how far ahead its validity begins
	isCA     bool
	noUsage  bool
	padding  int // bytes of a hint, to make the message large
}

// message is an X509SVIDResponse with one identity.
func (api *fakeWorkloadAPI) message(path string, o fakeSVID) []byte {
	id := svidID(path)
	if o.uri == "" {
		o.uri = id
	}
	if o.notAfter.IsZero() {
		o.notAfter = time.Now().Add(time.Hour)
	}
	if o.before == 0 {
		o.before = -time.Minute
	}
	uri, err := url.Parse(o.uri)
	if err != nil {
		panic(err)
	}
	key, signed := lab.NewKey(api.t), lab.NewKey(api.t)
	if !o.wrongKey {
		signed = key
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: path}, URIs: []*url.URL{uri}, NotBefore: time.Now().Add(o.before), NotAfter: o.notAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true, IsCA: o.isCA,
	}
	if o.noUsage {
		template.KeyUsage = x509.KeyUsageKeyAgreement
	}
	return api.encode(id, template, signed, key, o.padding)
}

func (api *fakeWorkloadAPI) encode(id string, template *x509.Certificate, signed, key *ecdsa.PrivateKey, padding int) []byte {
	der, err := x509.CreateCertificate(rand.Reader, template, api.ca.Cert, signed.Public(), api.ca.Key)
	if err != nil {
		panic(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	response := &workload.X509SVIDResponse{
		Svids: []*workload.X509SVID{{SpiffeId: id, X509Svid: der, X509SvidKey: pkcs8, Bundle: api.ca.Cert.Raw}},
	}
	if padding > 0 {
		response.Crl = [][]byte{make([]byte, padding)}
	}
	text, err := proto.Marshal(response)
	if err != nil {
		panic(err)
	}
	return text
}

func (api *fakeWorkloadAPI) deliver(args ...string) *lab.Process {
	api.t.Helper()
	argv := append(svidCommand(), "--socket", api.socket, "--directory", api.certs)
	return lab.Start(api.t, 0, api.dir, append(argv, args...)...)
}

func (api *fakeWorkloadAPI) delivered(path string) bool {
	api.t.Helper()
	return delivered(api.t, api.certs, "svid.pem", "svid_key.pem", "svid_bundle.pem").ID.String() == svidID(path)
}

// TestSVIDRequest looks at what the client sends.
func TestSVIDRequest(t *testing.T) {
	t.Parallel()
	seen := make(chan *call, 8)
	api := newFake(t, func(c *call) {
		seen <- c
		c.begin()
		c.data(framed(c.api.message("/request", fakeSVID{})), 16384)
	})
	p := api.deliver()
	waitEvent(t, p, "delivered", 1, 15*time.Second)
	c := <-seen
	for name, want := range map[string]string{
		":method": "POST", ":scheme": "http", ":path": "/SpiffeWorkloadAPI/FetchX509SVID", ":authority": "localhost",
		"content-type": "application/grpc", "te": "trailers", "workload.spiffe.io": "true",
	} {
		if c.headers[name] != want {
			t.Errorf("header '%s' is '%s', want '%s'", name, c.headers[name], want)
		}
	}
	if c.headers["connection"] != "" || c.headers["grpc-accept-encoding"] != "" || !bytes.Equal(c.body, make([]byte, 5)) {
		t.Errorf("the request has the headers %v and the body %x", c.headers, c.body)
	}
}

// TestSVIDSurvivesTheServer: whatever a first call is answered, what a later one
// delivers arrives.
func TestSVIDSurvivesTheServer(t *testing.T) {
	t.Parallel()
	good := func(c *call) {
		c.begin()
		c.data(framed(c.api.message("/good", fakeSVID{})), 16384)
	}
	for _, s := range []struct {
		name  string
		first func(*call)
		words string // that standard error must say
	}{
		{"go-away", func(c *call) {
			c.framer.WriteGoAway(0, http2.ErrCodeNo, []byte("bye"))
			c.conn.Close()
		}, ""}, // libcurl from 8 on tries again by itself
		{"go-away-later", func(c *call) {
			c.begin()
			c.framer.WriteGoAway(c.stream, http2.ErrCodeEnhanceYourCalm, nil)
			c.conn.Close()
		}, "x509: "},
		{"reset", func(c *call) { c.framer.WriteRSTStream(c.stream, http2.ErrCodeInternal) }, "x509: "},
		{"reset-in-message", func(c *call) {
			c.begin()
			c.data(framed(c.api.message("/bad", fakeSVID{}))[:100], 16384)
			c.framer.WriteRSTStream(c.stream, http2.ErrCodeCancel)
		}, "x509: "},
		{"cut-in-message", func(c *call) {
			c.begin()
			c.data(framed(c.api.message("/bad", fakeSVID{}))[:100], 16384)
			c.status(0, "")
		}, "within a message"},
		{"trailers-only", func(c *call) { c.trailersOnly(14, "later%2C%20please") }, "Unavailable: later, please"},
		{"denied", func(c *call) { c.trailersOnly(7, "no identity issued") }, "PermissionDenied: no identity issued"},
		{"ok-and-nothing", func(c *call) { c.trailersOnly(0, "") }, "the agent ended the stream"},
		{"no-status", func(c *call) {
			c.begin()
			c.framer.WriteData(c.stream, true, nil)
		}, "without a grpc-status"},
		{"huge-claim", func(c *call) {
			c.begin()
			c.data([]byte{0, 0x40, 0, 0, 0}, 5)
			c.data(make([]byte, 1<<20), 16384)
		}, "at most 1048576 are taken"},
		{"compressed", func(c *call) {
			c.begin()
			c.data([]byte{1, 0, 0, 0, 1, 0}, 6)
		}, "compressed"},
		{"garbage", func(c *call) {
			c.begin()
			c.data(framed([]byte("this is no protocol buffer")), 16384)
		}, "not what the Workload API's standard says"},
		{"empty-message", func(c *call) {
			c.begin()
			c.data(framed(nil), 16384)
		}, "without an identity"},
		{"html", func(c *call) {
			c.fields(false, ":status", "200", "content-type", "text/html")
			c.data([]byte("<html>"), 16384)
		}, "not gRPC"},
		{"http-503", func(c *call) { c.fields(true, ":status", "503") }, "HTTP status 503"},
		{"bad-id", func(c *call) {
			text, _ := proto.Marshal(&workload.X509SVIDResponse{Svids: []*workload.X509SVID{{SpiffeId: "spiffe://UPPER/../x", X509Svid: []byte{1}, X509SvidKey: []byte{1}, Bundle: []byte{1}}}})
			c.begin()
			c.data(framed(text), 16384)
		}, "is no SPIFFE ID"},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			api := newFake(t, func(c *call) {
				if c.number == 1 {
					s.first(c)
				} else {
					good(c)
				}
			})
			p := api.deliver()
			waitEvent(t, p, "delivered", 1, 15*time.Second)
			if !api.delivered("/good") {
				t.Error("the wrong SVID was delivered")
			}
			if !strings.Contains(p.Stderr.String(), s.words) {
				t.Errorf("standard error does not say '%s':\n%s", s.words, p.Stderr.String())
			}
			if peak := peakMemory(p); !lab.Wrapped() && peak > 40<<10 {
				t.Errorf("it took %d kB", peak)
			}
		})
	}
}

func peakMemory(p *lab.Process) int {
	kb, _ := strconv.Atoi(strings.TrimSuffix(lab.StatusField(p.Pid, "VmHWM"), " kB"))
	return kb
}

// TestSVIDRefusesBadSVIDs: an update that is no good is reported and not
// delivered, on a stream that goes on.
func TestSVIDRefusesBadSVIDs(t *testing.T) {
	t.Parallel()
	for _, s := range []struct {
		name  string
		bad   fakeSVID
		words string
	}{
		{"wrong-key", fakeSVID{wrongKey: true}, "does not match its certificate"},
		{"other-id", fakeSVID{uri: "spiffe://example.test/other"}, "names another identity"},
		{"expired", fakeSVID{notAfter: time.Now().Add(-time.Second)}, "expired at"},
		{"not-yet", fakeSVID{before: time.Minute}, "is not valid before"},
		{"ca", fakeSVID{isCA: true}, "is a CA"},
		{"usage", fakeSVID{noUsage: true}, "lacks digitalSignature"},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			// One message after the other: each is taken before the next comes.
			next := make(chan struct{})
			api := newFake(t, func(c *call) {
				c.begin()
				c.data(framed(c.api.message("/before", fakeSVID{})), 16384)
				<-next
				c.data(framed(c.api.message("/bad", s.bad)), 16384)
				<-next
				c.data(framed(c.api.message("/after", fakeSVID{})), 16384)
			})
			p := api.deliver()
			waitEvent(t, p, "delivered", 1, 15*time.Second)
			next <- struct{}{}
			event := waitEvent(t, p, "refused", 1, 15*time.Second)
			if !strings.Contains(event.Text, s.words) || event.Generation != 1 || event.Cause != "x509" {
				t.Errorf("the event says %+v, want '%s'", event, s.words)
			}
			if countEvents(t, p, "delivered") != 1 || !api.delivered("/before") {
				t.Error("the good SVID did not stay")
			}
			next <- struct{}{}
			waitEvent(t, p, "delivered", 2, 15*time.Second)
			if !api.delivered("/after") || api.calls.Load() != 1 {
				t.Errorf("the stream was opened %d times\n%s", api.calls.Load(), p)
			}
		})
	}
}

// TestSVIDStopsReading: SIGTERM ends it at once, whatever its threads are waiting for.
func TestSVIDStopsReading(t *testing.T) {
	t.Parallel()
	for _, s := range []struct {
		name  string
		serve func(*call)
	}{
		{"no-answer", func(*call) {}},
		{"quiet-stream", func(c *call) { c.begin() }},
		{"half-a-message", func(c *call) {
			c.begin()
			c.data(framed(c.api.message("/half", fakeSVID{}))[:100], 16384)
		}},
		{"denied", func(c *call) { c.trailersOnly(7, "no identity issued") }},
		{"flood", func(c *call) {
			c.begin()
			go func() { // empty frames, which no window of flow control holds back
				for c.framer.WriteData(c.stream, false, nil) == nil {
				}
			}()
		}},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			api := newFake(t, s.serve)
			p := api.deliver("--jwt-bundle-file", "jwks.json", "--jwt", "token=audience")
			lab.Eventually(t, 15*time.Second, "three calls", func() (bool, string) {
				return api.calls.Load() >= 3, p.Stderr.String()
			})
			begin := time.Now()
			p.Signal(syscall.SIGTERM)
			p.Wait(t, 5*time.Second)
			if took := time.Since(begin); p.Status() != 0 || took > lab.Patience(500*time.Millisecond) {
				t.Errorf("status %d after %v\n%s", p.Status(), took, p)
			}
		})
	}
}

// TestSVIDFrames: messages however they are cut, many of them, and more bytes than
// any window of flow control.
func TestSVIDFrames(t *testing.T) {
	t.Parallel()
	const messages = 40
	for _, s := range []struct {
		name          string
		size, padding int
		joined        bool
	}{
		{"byte-by-byte", 1, 0, false},
		{"odd", 13, 0, false},
		{"joined", 16384, 0, true},
		{"past-the-window", 16384, 60000, false},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			api := newFake(t, func(c *call) {
				c.begin()
				var all []byte
				for i := range messages {
					message := framed(c.api.message(fmt.Sprintf("/m/%d", i), fakeSVID{padding: s.padding}))
					if s.joined {
						all = append(all, message...)
						continue
					}
					c.dataWithinWindow(message, s.size)
				}
				c.dataWithinWindow(all, s.size)
			})
			p := api.deliver()
			last := fmt.Sprintf("/m/%d", messages-1)
			lab.Eventually(t, 30*time.Second, "the last message", func() (bool, string) {
				return strings.Contains(p.Stderr.String(), svidID(last)+`"`), p.Stderr.String()
			})
			if !api.delivered(last) || api.calls.Load() != 1 {
				t.Errorf("the stream was opened %d times", api.calls.Load())
			}
		})
	}
}

// dataWithinWindow keeps to the flow control: where a window is used up it waits
// for the client to open it again.
func (c *call) dataWithinWindow(text []byte, size int) {
	for len(text) > 0 {
		n := min(size, len(text))
		for min(c.window[0], c.window[1]) < n {
			frame, err := c.framer.ReadFrame()
			if err != nil {
				return
			}
			if update, ok := frame.(*http2.WindowUpdateFrame); ok {
				c.window[min(1, update.StreamID)] += int(update.Increment)
			}
		}
		if c.framer.WriteData(c.stream, false, text[:n]) != nil {
			return
		}
		c.window[0] -= n
		c.window[1] -= n
		text = text[n:]
	}
}

// TestSVIDSameAgain: a state that was delivered already is no update, on one stream
// or on the next.
func TestSVIDSameAgain(t *testing.T) {
	t.Parallel()
	var same []byte
	api := newFake(t, func(c *call) {
		if c.number == 1 {
			same = c.api.message("/same", fakeSVID{})
		}
		c.begin()
		for range 5 {
			c.data(framed(same), 16384)
		}
		if c.number < 3 {
			c.status(14, "again")
			return
		}
		c.data(framed(c.api.message("/other", fakeSVID{})), 16384)
	})
	p := api.deliver()
	waitEvent(t, p, "delivered", 2, 30*time.Second)
	if !api.delivered("/other") || countEvents(t, p, "delivered") != 2 {
		t.Errorf("the same state was delivered again:\n%s", p.Stderr.String())
	}
}

// TestSVIDFederatedBundleDropped: a bundle that is absent in the next message is gone.
func TestSVIDFederatedBundleDropped(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	api := newFake(t, func(c *call) {
		c.begin()
		with := &workload.X509SVIDResponse{}
		if err := proto.Unmarshal(c.api.message("/with", fakeSVID{}), with); err != nil {
			panic(err)
		}
		with.FederatedBundles = map[string][]byte{"spiffe://far": c.api.ca.Cert.Raw, "spiffe://broken": []byte("x")}
		text, err := proto.Marshal(with)
		if err != nil {
			panic(err)
		}
		c.data(framed(text), 16384)
		<-next
		c.data(framed(c.api.message("/without", fakeSVID{})), 16384)
	})
	p := api.deliver("--federated-file", "{trust_domain}.pem")
	waitEvent(t, p, "delivered", 1, 15*time.Second)
	if got := visible(t, api.certs); got != "far.pem svid.pem svid_bundle.pem svid_key.pem" {
		t.Errorf("the directory shows '%s'", got)
	}
	if !strings.Contains(p.Stderr.String(), "the bundle of 'broken' is left out") {
		t.Errorf("standard error:\n%s", p.Stderr.String())
	}
	close(next)
	waitEvent(t, p, "delivered", 2, 15*time.Second)
	if got := visible(t, api.certs); got != "svid.pem svid_bundle.pem svid_key.pem" {
		t.Errorf("the directory shows '%s'", got)
	}
}

// TestSVIDPausesAreShortAgain: after a message the pause between calls is that of a
// first failure, however many failures came before.
func TestSVIDPausesAreShortAgain(t *testing.T) {
	t.Parallel()
	const denials, ends = 6, 4
	limit := 3 * time.Second
	if lab.Wrapped() {
		limit *= 3 // valgrind takes its time for each call; four pauses that were still long would be near a minute
	}
	var begin, done atomic.Int64
	api := newFake(t, func(c *call) {
		if c.number <= denials {
			c.trailersOnly(7, "no identity issued")
			return
		}
		if c.number == denials+1 {
			begin.Store(time.Now().UnixMilli())
		}
		if c.number == denials+1+ends {
			done.Store(time.Now().UnixMilli())
		}
		c.begin()
		c.data(framed(c.api.message("/short", fakeSVID{})), 16384)
		c.status(14, "again")
	})
	p := api.deliver()
	lab.Eventually(t, 60*time.Second, "the calls", func() (bool, string) { return done.Load() != 0, p.Stderr.String() })
	if took := time.Duration(done.Load()-begin.Load()) * time.Millisecond; took > limit {
		t.Errorf("%d pauses took %v", ends, took)
	}
}

// TestSVIDPingFlood: pings are answered or the connection is given up, but the
// process lives and goes on.
func TestSVIDPingFlood(t *testing.T) {
	t.Parallel()
	pings := 3000
	if lab.Long {
		pings = 300000
	}
	api := newFake(t, func(c *call) {
		c.begin()
		if c.number == 1 {
			for i := range pings {
				if c.framer.WritePing(false, [8]byte{byte(i)}) != nil {
					return
				}
			}
		}
		c.data(framed(c.api.message("/after", fakeSVID{})), 16384)
	})
	p := api.deliver()
	waitEvent(t, p, "delivered", 1, 30*time.Second)
	if !api.delivered("/after") {
		t.Error("the wrong SVID was delivered")
	}
	if peak := peakMemory(p); !lab.Wrapped() && peak > 40<<10 {
		t.Errorf("it took %d kB", peak)
	}
}

// TestSVIDSilence: a server that takes the call and says nothing.
func TestSVIDSilence(t *testing.T) {
	t.Parallel()
	api := newFake(t, func(c *call) {})
	p := api.deliver("--once", "--deadline", deadline(2))
	p.Wait(t, 15*time.Second)
	lab.CheckFailure(t, p, 111, "not all is delivered in time")
	if took := p.Elapsed(); took > lab.Patience(5*time.Second) {
		t.Errorf("it took %v", took)
	}
	// After half a minute without a first message the call is made again.
	daemon := api.deliver()
	calls := api.calls.Load()
	lab.Eventually(t, 90*time.Second, "another call", func() (bool, string) {
		return api.calls.Load() >= calls+2, daemon.Stderr.String()
	})
	if !strings.Contains(daemon.Stderr.String(), "sent no answer") {
		t.Errorf("standard error:\n%s", daemon.Stderr.String())
	}
}

// TestSVIDSilenceOfAStream: a stream that has begun may be silent for as long as it
// likes; half a minute of it is no end.
func TestSVIDSilenceOfAStream(t *testing.T) {
	t.Parallel()
	const silence = 31 * time.Second
	api := newFake(t, func(c *call) {
		c.begin()
		c.data(framed(c.api.message("/before", fakeSVID{})), 16384)
		select {
		case <-time.After(silence):
		case <-t.Context().Done():
		}
		c.data(framed(c.api.message("/after", fakeSVID{})), 16384)
	})
	p := api.deliver()
	waitEvent(t, p, "delivered", 1, 15*time.Second)
	waitEvent(t, p, "delivered", 2, silence+15*time.Second)
	if !api.delivered("/after") || api.calls.Load() != 1 {
		t.Errorf("the stream was opened %d times\n%s", api.calls.Load(), p)
	}
	if text := p.Stderr.String(); strings.Contains(text, "warning") {
		t.Errorf("standard error:\n%s", text)
	}
}

// TestSVIDNotToBeRetried: what the server will never take ends --once at once.
func TestSVIDNotToBeRetried(t *testing.T) {
	t.Parallel()
	for code, status := range map[int]int{3: 100, 12: 111} {
		api := newFake(t, func(c *call) { c.trailersOnly(code, "never") })
		p := api.deliver("--once", "--deadline", "20s")
		p.Wait(t, 15*time.Second)
		lab.CheckFailure(t, p, status, "never")
		if n := api.calls.Load(); n != 1 {
			t.Errorf("status %d was answered to %d calls", code, n)
		}
	}
}
