package network

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/hyperledger/fabric-gateway/pkg/client"
	"github.com/hyperledger/fabric-gateway/pkg/hash"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer/lifecycle"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"gxcoin.money/gx/contract/chaincode"
	"gxcoin.money/gx/internal/fabric/builder"
)

// chaincodePackage is what an organization installs: where its server is.
type chaincodePackage struct {
	label string
	bytes []byte
}

// id is the name by which peers know the package.
func (p chaincodePackage) id() string {
	sum := sha256.Sum256(p.bytes)
	return p.label + ":" + hex.EncodeToString(sum[:])
}

// pkg returns the package of a chaincode server. The same server always has the
// same package.
func (n *Network) pkg(node *node) chaincodePackage {
	label := n.topology.Chaincode + "_" + node.server.Version
	code := tarball(file{"connection.json", builder.Connection{Address: node.address, DialTimeout: "3s", TLSRequired: true, ClientAuthRequired: true}})
	return chaincodePackage{label, tarball(file{"metadata.json", builder.Metadata{Type: builder.Type, Label: label}}, file{"code.tar.gz", code})}
}

// file of a tarball: bytes, or what is to be JSON.
type file struct {
	name    string
	content any
}

// tarball packs files; it depends on nothing but them.
func tarball(files ...file) []byte {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	var errs []error
	for _, f := range files {
		content, ok := f.content.([]byte)
		if !ok {
			var err error
			content, err = json.Marshal(f.content)
			errs = append(errs, err)
		}
		errs = append(errs, archive.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(content))}))
		_, err := archive.Write(content)
		errs = append(errs, err)
	}
	if err := errors.Join(append(errs, archive.Close(), zip.Close())...); err != nil {
		panic(err) // to memory, of values that we made
	}
	return out.Bytes()
}

// deploy makes a server's version the committed definition of the chaincode: it
// installs packages, lets every organization approve and commits. It does only
// what is not done yet.
func (n *Network) deploy(ctx context.Context, c *clients, s Server) error {
	if committed, err := n.committed(ctx, c); err != nil || committed >= s.Sequence {
		return err
	}
	g, installing := errgroup.WithContext(ctx)
	for _, p := range c.peers {
		g.Go(func() error { return n.install(installing, p, s) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	g, approving := errgroup.WithContext(ctx)
	for _, p := range c.first() {
		g.Go(func() error { return n.approve(approving, p, s) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := n.commit(ctx, c, s); err != nil {
		return err
	}
	return poll(ctx, pollEvery, func() error {
		committed, err := n.committed(ctx, c)
		if err == nil && committed < s.Sequence {
			err = errors.New("a peer does not have the chaincode's definition yet")
		}
		return err
	})
}

// committed returns the sequence of the definition that every peer knows on the
// channel, 0 when there is none.
func (n *Network) committed(ctx context.Context, c *clients) (int64, error) {
	args, err := proto.Marshal(&lifecycle.QueryChaincodeDefinitionArgs{Name: n.topology.Chaincode})
	if err != nil {
		return 0, err
	}
	least := int64(math.MaxInt64)
	for _, p := range c.peers {
		var d lifecycle.QueryChaincodeDefinitionResult
		answer, err := p.call(ctx, n.topology.Channel, "_lifecycle", "QueryChaincodeDefinition", args)
		switch {
		case err != nil && strings.Contains(err.Error(), "is not defined"):
			return 0, nil
		case err == nil:
			err = proto.Unmarshal(answer, &d)
		}
		if err != nil {
			return 0, fmt.Errorf("the chaincode's definition on %s: %w", p.id(), err)
		}
		least = min(least, d.GetSequence())
	}
	return least, nil
}

// serverOf returns the chaincode server of a peer's organization.
func serverOf(o *organization, s Server) *node {
	for _, n := range o.of(chaincodeServer) {
		if n.server.Sequence == s.Sequence {
			return n
		}
	}
	panic(fmt.Sprintf("%s has no chaincode server %d", o.name, s.Sequence)) // the topology names it
}

func (n *Network) install(ctx context.Context, p *peerClient, s Server) error {
	pkg := n.pkg(serverOf(p.org, s))
	args, err := proto.Marshal(&lifecycle.InstallChaincodeArgs{ChaincodeInstallPackage: pkg.bytes})
	if err != nil {
		return err
	}
	_, err = p.call(ctx, "", "_lifecycle", "InstallChaincode", args)
	if err != nil && !strings.Contains(err.Error(), "already successfully installed") {
		return fmt.Errorf("install on %s: %w", p.id(), err)
	}
	return nil
}

// approve leaves the endorsement policy to the channel.
func (n *Network) approve(ctx context.Context, p *peerClient, s Server) error {
	args, err := proto.Marshal(&lifecycle.ApproveChaincodeDefinitionForMyOrgArgs{
		Name: n.topology.Chaincode, Version: s.Version, Sequence: s.Sequence,
		Source: &lifecycle.ChaincodeSource{Type: &lifecycle.ChaincodeSource_LocalPackage{
			LocalPackage: &lifecycle.ChaincodeSource_Local{PackageId: n.pkg(serverOf(p.org, s)).id()},
		}},
	})
	if err != nil {
		return err
	}
	const approved = "unchanged content"
	if err := n.submit(ctx, p, "ApproveChaincodeDefinitionForMyOrg", args, approved, p.org.MSP); err != nil {
		return fmt.Errorf("%s approves the chaincode: %w", p.org.MSP, err)
	}
	return nil
}

func (n *Network) commit(ctx context.Context, c *clients, s Server) error {
	args, err := proto.Marshal(&lifecycle.CommitChaincodeDefinitionArgs{
		Name: n.topology.Chaincode, Version: s.Version, Sequence: s.Sequence,
	})
	if err != nil {
		return err
	}
	var msps []string
	for _, o := range n.roster.members {
		msps = append(msps, o.MSP)
	}
	committed := fmt.Sprintf("requested sequence is %d, but new definition must be sequence %d", s.Sequence, s.Sequence+1)
	if err := n.submit(ctx, c.peers[0], "CommitChaincodeDefinition", args, committed, msps...); err != nil {
		return fmt.Errorf("commit the chaincode: %w", err)
	}
	return nil
}

// submit commits a lifecycle transaction, trying again while nodes are not
// there yet. An error that contains done says that it is committed.
func (n *Network) submit(ctx context.Context, p *peerClient, function string, args []byte, done string, endorsers ...string) error {
	return poll(ctx, 2*pollEvery, func() error {
		err := n.contract(p, "_lifecycle", func(l *client.Contract) error {
			_, err := l.SubmitWithContext(ctx, function, client.WithBytesArguments(args), client.WithEndorsingOrganizations(endorsers...))
			return err
		})
		if err != nil && strings.Contains(err.Error(), done) {
			return nil
		}
		return err
	})
}

// contract calls a contract through a peer's gateway.
func (n *Network) contract(p *peerClient, name string, use func(l *client.Contract) error) error {
	gateway, err := client.Connect(p.operator, client.WithSign(p.operator.SignDigest), client.WithHash(hash.SHA256), client.WithClientConnection(p.conn))
	if err != nil {
		return err
	}
	defer gateway.Close()
	return use(gateway.GetNetwork(n.topology.Channel).GetContract(name))
}

// awaitEndorsement waits until a proposal to the chaincode is endorsed by all
// organizations through the gateway of each.
func (n *Network) awaitEndorsement(ctx context.Context, c *clients) error {
	var msps []string
	for _, o := range n.roster.members {
		msps = append(msps, o.MSP)
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, p := range c.peers {
		g.Go(func() error {
			err := poll(ctx, pollEvery, func() error {
				return n.contract(p, n.topology.Chaincode, func(l *client.Contract) error {
					proposal, err := l.NewProposal(chaincode.MetadataFunction, client.WithEndorsingOrganizations(msps...))
					if err == nil {
						_, err = proposal.EndorseWithContext(ctx)
					}
					return err
				})
			})
			if err != nil {
				return fmt.Errorf("endorsement through %s: %w", p.id(), err)
			}
			return nil
		})
	}
	return g.Wait()
}
