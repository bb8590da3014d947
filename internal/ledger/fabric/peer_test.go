package fabric

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	fabricpeer "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"gxcoin.money/gx/internal/fabric/connection"
	"gxcoin.money/gx/internal/fabric/pki"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/protocol/role"
)

// fakePeer is a peer that does what a test says: its gateway and its streams.
type fakePeer struct {
	gateway.UnimplementedGatewayServer
	fabricpeer.UnimplementedDeliverServer
	endorse  func(*gateway.EndorseRequest) (*gateway.EndorseResponse, error)
	submit   func(*gateway.SubmitRequest) error
	evaluate func(*gateway.EvaluateRequest) ([]byte, error)
	server   *grpc.Server
}

func (p *fakePeer) Endorse(_ context.Context, r *gateway.EndorseRequest) (*gateway.EndorseResponse, error) {
	return p.endorse(r)
}

func (p *fakePeer) Submit(_ context.Context, r *gateway.SubmitRequest) (*gateway.SubmitResponse, error) {
	return &gateway.SubmitResponse{}, p.submit(r)
}

func (p *fakePeer) Evaluate(_ context.Context, r *gateway.EvaluateRequest) (*gateway.EvaluateResponse, error) {
	payload, err := p.evaluate(r)
	return &gateway.EvaluateResponse{Result: &fabricpeer.Response{Status: 200, Payload: payload}}, err
}

// DeliverFiltered is a stream that never brings anything.
func (p *fakePeer) DeliverFiltered(s fabricpeer.Deliver_DeliverFilteredServer) error {
	<-s.Context().Done()
	return s.Context().Err()
}

// fakePeers are the peers of one organization, and how a client reaches them.
func fakePeers(t *testing.T, peers ...*fakePeer) connection.Config {
	t.Helper()
	dir := t.TempDir()
	org := authority(t, dir, time.Hour)
	c := connection.Config{
		Profile: filepath.Join(dir, "connection.json"), MSP: "Org1MSP", Wallet: wallet(t, org, pki.Client), Channel: "gxchannel", Chaincode: "gxtv3",
	}
	var names, described []string
	for i, p := range peers {
		name := fmt.Sprintf("peer%d", i)
		if _, err := org.Ensure(name, pki.Peer, []string{"127.0.0.1"}, nil); err != nil {
			t.Fatal(err)
		}
		creds, err := credentials.NewServerTLSFromFile(filepath.Join(org.TLSDir(name), "cert.pem"), filepath.Join(org.TLSDir(name), "key.pem"))
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p.server = grpc.NewServer(grpc.Creds(creds))
		gateway.RegisterGatewayServer(p.server, p)
		fabricpeer.RegisterDeliverServer(p.server, p)
		go func() { _ = p.server.Serve(l) }()
		t.Cleanup(p.server.Stop)
		names = append(names, fmt.Sprintf("%q", name))
		described = append(described, fmt.Sprintf(`%q: {"url": "grpcs://%s", "tlsCACerts": {"path": "org1/tlsca/cert.pem"}}`, name, l.Addr()))
	}
	profile := fmt.Sprintf(`{"organizations": {"org1": {"mspid": "Org1MSP", "peers": [%s]}}, "peers": {%s}}`, strings.Join(names, ","), strings.Join(described, ","))
	if err := os.WriteFile(c.Profile, []byte(profile), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// prepared is a transaction that nobody has signed yet.
func prepared(t *testing.T) (envelope *common.Envelope, id string) {
	t.Helper()
	sum := sha256.Sum256(nil) // of no nonce and no creator
	id, envelope = hex.EncodeToString(sum[:]), new(common.Envelope)
	if err := proto.Unmarshal(transaction(t, id, "gxtv3", "", time.Now()), envelope); err != nil {
		t.Fatal(err)
	}
	return envelope, id
}

func submittable(t *testing.T) ledger.Transaction {
	t.Helper()
	envelope, id := prepared(t)
	envelope.Signature = []byte("signature")
	return ledger.Transaction{ID: id, Bytes: bytesOf(t, envelope)}
}

// limit refuses the first three calls as a peer does that has too many, which is
// not the same as having failed.
func limit(calls *atomic.Int64) error {
	switch calls.Add(1) {
	case 1:
		return errors.New("too many requests for /gateway.Gateway, exceeding concurrency limit (500)")
	case 2:
		return status.Error(codes.ResourceExhausted, "slow down")
	case 3:
		s, err := status.New(codes.Unavailable, "see details").WithDetails(&gateway.ErrorDetail{
			MspId: "Org2MSP", Message: "too many requests for /protos.Endorser, exceeding concurrency limit (2500)"})
		return errors.Join(err, s.Err())
	}
	return nil
}

func TestBusyPeers(t *testing.T) {
	envelope, _ := prepared(t)
	var endorsed, submitted, evaluated atomic.Int64
	l, _ := open(t, fakePeers(t, &fakePeer{
		endorse: func(*gateway.EndorseRequest) (*gateway.EndorseResponse, error) {
			return &gateway.EndorseResponse{PreparedTransaction: envelope}, limit(&endorsed)
		},
		submit:   func(*gateway.SubmitRequest) error { return limit(&submitted) },
		evaluate: func(*gateway.EvaluateRequest) ([]byte, error) { return []byte("yes"), limit(&evaluated) },
	}), Options{})
	p := ledger.Proposal{Identity: role.Admin, Function: "f"}
	if _, err := l.Endorse(t.Context(), p); err != nil {
		t.Errorf("endorse: %v", err)
	}
	if got, err := l.Evaluate(t.Context(), p); err != nil || string(got) != "yes" {
		t.Errorf("evaluate: %q, %v", got, err)
	}
	if err := l.Submit(t.Context(), submittable(t)); err != nil {
		t.Errorf("submit: %v", err)
	}
	for name, calls := range map[string]*atomic.Int64{"endorse": &endorsed, "evaluate": &evaluated, "submit": &submitted} {
		if n := calls.Load(); n != 4 {
			t.Errorf("%s: %d calls", name, n)
		}
	}
}

// A peer that stays at its limit is unavailable once the caller's time is up.
func TestPeersThatStayBusy(t *testing.T) {
	tooMany := errors.New("too many requests for /gateway.Gateway, exceeding concurrency limit (500)")
	l, _ := open(t, fakePeers(t, &fakePeer{
		submit:   func(*gateway.SubmitRequest) error { return tooMany },
		evaluate: func(*gateway.EvaluateRequest) ([]byte, error) { return nil, tooMany },
	}), Options{SubmitTimeout: 100 * time.Millisecond, EvaluateTimeout: 100 * time.Millisecond})
	if _, err := l.Evaluate(t.Context(), ledger.Proposal{Identity: role.Admin, Function: "f"}); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("evaluate: %v", err)
	}
	if err := l.Submit(t.Context(), submittable(t)); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("submit: %v", err)
	}
}

// The stream brings nothing and the peer knows nothing: then there is no status,
// however long one waits. Once the peer knows, it is asked.
func TestStatusThatNeverComes(t *testing.T) {
	var mu sync.Mutex
	var known []byte
	l, _ := open(t, fakePeers(t, &fakePeer{evaluate: func(*gateway.EvaluateRequest) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		if known == nil {
			return nil, status.Error(codes.Unknown, "chaincode response 500, Failed to get transaction with id x, error no such transaction ID [x] in index")
		}
		return known, nil
	}}), Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 3*firstLookup/2)
	defer cancel()
	if s, err := l.Status(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("%v, %v", s, err)
	}
	b := block([][]byte{transaction(t, "x", "gxtv3", "", time.Now())}, fabricpeer.TxValidationCode_MVCC_READ_CONFLICT)
	mu.Lock()
	known = bytesOf(t, b)
	mu.Unlock()
	want := ledger.Status{TxID: "x", Block: b.GetHeader().GetNumber(), Code: ledger.ReadConflict}
	if s, err := l.Status(t.Context(), "x"); err != nil || s != want {
		t.Errorf("%v, %v, want %v", s, err, want)
	}
}

// A peer that is gone is passed over as long as another is there.
func TestAnotherPeerOfOurs(t *testing.T) {
	answer := func(s string) *fakePeer {
		return &fakePeer{evaluate: func(*gateway.EvaluateRequest) ([]byte, error) { return []byte(s), nil }}
	}
	first, second := answer("first"), answer("second")
	l, _ := open(t, fakePeers(t, first, second), Options{})
	p := ledger.Proposal{Identity: role.Admin, Function: "f"}
	if got, err := l.Evaluate(t.Context(), p); err != nil || string(got) != "first" {
		t.Errorf("%q, %v", got, err)
	}
	first.server.Stop()
	for {
		got, err := l.Evaluate(t.Context(), p)
		if string(got) == "second" {
			break
		}
		if t.Context().Err() != nil || err != nil && !errors.Is(err, ledger.ErrUnavailable) {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

// A process that signs nothing but queries needs no powerful identity; one that
// it lacks may come later.
func TestPartOfAWallet(t *testing.T) {
	envelope, _ := prepared(t)
	c := fakePeers(t, &fakePeer{
		endorse: func(*gateway.EndorseRequest) (*gateway.EndorseResponse, error) {
			return &gateway.EndorseResponse{PreparedTransaction: envelope}, nil
		},
		evaluate: func(*gateway.EvaluateRequest) ([]byte, error) { return []byte("yes"), nil },
	})
	c.Wallet = filepath.Join(t.TempDir(), "wallet")
	if _, err := New(c, Options{}); err == nil || !strings.Contains(err.Error(), "has no identity") {
		t.Errorf("without a wallet: %v", err)
	}
	org := authority(t, t.TempDir(), time.Hour)
	issue(t, org, c.Wallet, pki.Client, role.PartnerAPI, string(role.PartnerAPI))
	r := prometheus.NewRegistry()
	l, _ := open(t, c, Options{Registerer: r})
	if _, err := l.Evaluate(t.Context(), ledger.Proposal{Identity: role.PartnerAPI, Function: "f"}); err != nil {
		t.Error(err)
	}
	p := ledger.Proposal{Identity: role.Admin, Function: "f"}
	if _, err := l.Endorse(t.Context(), p); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("without the identity: %v", err)
	}
	if n := watched(t, r); n != 1 {
		t.Errorf("%d certificates are watched", n)
	}
	issue(t, org, c.Wallet, pki.Client, role.Admin, string(role.Admin))
	l.identities.refresh()
	if _, err := l.Endorse(t.Context(), p); err != nil {
		t.Errorf("with the identity: %v", err)
	}
	if n := watched(t, r); n != 2 {
		t.Errorf("%d certificates are watched", n)
	}
}

// watched counts the certificates whose lives are a metric.
func watched(t *testing.T, r *prometheus.Registry) int {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "fabric_client_cert_expiry_seconds" {
			return len(f.Metric)
		}
	}
	return 0
}
