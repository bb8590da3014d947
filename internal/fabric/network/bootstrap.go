package network

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	fabricpeer "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"gxcoin.money/gx/internal/fabric/connection"
)

const pollEvery = 50 * time.Millisecond

// bootstrap brings nodes that have been started to a channel that endorses. It
// does only what is not done yet.
func (n *Network) bootstrap(ctx context.Context) error {
	genesis, err := os.ReadFile(n.genesisFile())
	if err != nil {
		return err
	}
	c, err := n.connect()
	if err != nil {
		return err
	}
	defer c.close()
	g, joining := errgroup.WithContext(ctx)
	for _, o := range n.roster.orderers.of(orderer) {
		g.Go(func() error { return n.joinOrderer(joining, o, genesis) })
	}
	for _, p := range c.peers {
		g.Go(func() error { return p.join(joining, n.topology.Channel, genesis) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := n.awaitLeader(ctx); err != nil {
		return err
	}
	// A newer version is one whose upgrade was interrupted, for the next to finish.
	if err := n.deploy(ctx, c, n.topology.Servers[0]); err != nil {
		return err
	}
	return n.awaitEndorsement(ctx, c)
}

// https returns a client for a node's HTTP APIs, with the operator's certificate.
func (n *Network) https(o *organization) (*http.Client, error) {
	dir := o.TLSDir(operator)
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, RootCAs: pool(o), Certificates: []tls.Certificate{cert},
		}},
	}, nil
}

func pool(o *organization) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(o.TLSCA.Certificate)
	return p
}

// joinOrderer makes an orderer part of the channel.
func (n *Network) joinOrderer(ctx context.Context, node *node, genesis []byte) error {
	client, err := n.https(node.org)
	if err != nil {
		return err
	}
	channels := "https://" + node.aux + "/participation/v1/channels"
	err = poll(ctx, pollEvery, func() error {
		status, _, err := request(ctx, client, http.MethodGet, channels+"/"+n.topology.Channel, "", nil)
		if err != nil {
			return err
		}
		if status == http.StatusOK {
			return nil
		}
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		part, err := form.CreateFormFile("config-block", "genesis.block")
		if err != nil {
			return err
		}
		if _, err := part.Write(genesis); err != nil {
			return err
		}
		if err := form.Close(); err != nil {
			return err
		}
		status, answer, err := request(ctx, client, http.MethodPost, channels, form.FormDataContentType(), &body)
		if err == nil && status != http.StatusCreated {
			err = fmt.Errorf("status %d: %s", status, answer)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s joins the channel: %w", node.id(), err)
	}
	return nil
}

// awaitLeader waits until the orderers have elected a leader.
func (n *Network) awaitLeader(ctx context.Context) error {
	client, err := n.https(n.roster.orderers)
	if err != nil {
		return err
	}
	leads := fmt.Sprintf("consensus_etcdraft_is_leader{channel=%q} 1\n", n.topology.Channel)
	return poll(ctx, pollEvery, func() error {
		var errs []error
		for _, o := range n.roster.orderers.of(orderer) {
			_, metrics, err := request(ctx, client, http.MethodGet, "https://"+o.ops+"/metrics", "", nil)
			if err == nil && bytes.Contains(metrics, []byte(leads)) {
				return nil
			}
			errs = append(errs, err)
		}
		return errors.Join(append(errs, errors.New("the orderers have no leader"))...)
	})
}

func request(ctx context.Context, client *http.Client, method, url, contentType string, body io.Reader) (status int, answer []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return 0, nil, err
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	response, err := client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

// clients are connections to every peer as the operator of its organization.
type clients struct {
	peers []*peerClient
}

type peerClient struct {
	*node
	conn     *grpc.ClientConn
	operator *connection.Identity
}

func (n *Network) connect() (*clients, error) {
	c := &clients{}
	for _, o := range n.roster.members {
		id, err := connection.ReadIdentity(o.MSP, o.CertFile(operator), o.KeyFile(operator))
		if err != nil {
			return nil, err
		}
		for _, p := range o.of(peer) {
			conn, err := connection.Dial(connection.Peer{Address: p.address, Roots: pool(o)})
			if err != nil {
				return nil, err
			}
			c.peers = append(c.peers, &peerClient{p, conn, id})
		}
	}
	return c, nil
}

func (c *clients) close() {
	for _, p := range c.peers {
		_ = p.conn.Close() // nothing is under way
	}
}

// first returns a peer of each organization.
func (c *clients) first() (peers []*peerClient) {
	for _, p := range c.peers {
		if len(peers) == 0 || peers[len(peers)-1].org != p.org {
			peers = append(peers, p)
		}
	}
	return peers
}

// call runs a system chaincode of the peer.
func (p *peerClient) call(ctx context.Context, channel, chaincode, function string, args ...[]byte) ([]byte, error) {
	return call(ctx, p.conn, p.operator, channel, chaincode, function, args...)
}

// join makes a peer part of the channel.
func (p *peerClient) join(ctx context.Context, channel string, genesis []byte) error {
	err := poll(ctx, pollEvery, func() error {
		joined, err := p.channels(ctx)
		if err != nil || slices.Contains(joined, channel) {
			return err
		}
		_, err = p.call(ctx, "", "cscc", "JoinChain", genesis)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s joins the channel: %w", p.id(), err)
	}
	return nil
}

func (p *peerClient) channels(ctx context.Context) (names []string, err error) {
	answer, err := p.call(ctx, "", "cscc", "GetChannels")
	if err != nil {
		return nil, err
	}
	var list fabricpeer.ChannelQueryResponse
	if err := proto.Unmarshal(answer, &list); err != nil {
		return nil, err
	}
	for _, c := range list.GetChannels() {
		names = append(names, c.GetChannelId())
	}
	return names, nil
}
