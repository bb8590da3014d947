package network

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/hyperledger/fabric-config/configtx"
	"github.com/hyperledger/fabric-config/configtx/membership"
	ordererconfig "github.com/hyperledger/fabric-config/configtx/orderer"
	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"

	"gxcoin.money/gx/internal/fabric/pki"
)

// Blocks: an orderer cuts one at the batch timeout, or earlier when it is full.
const (
	maxBlockTxs       = 500
	preferredBlock    = 4 << 20
	maxBlock          = 64 << 20
	raftTick          = "100ms"
	raftElectionTicks = 10
)

// genesis returns the first block of the channel.
func genesis(t *Topology, r *roster) ([]byte, error) {
	timeout, err := time.ParseDuration(t.BatchTimeout)
	if err != nil {
		return nil, err
	}
	ordering := configtx.Orderer{
		OrdererType:  ordererconfig.ConsensusTypeEtcdRaft,
		BatchTimeout: timeout,
		BatchSize:    ordererconfig.BatchSize{MaxMessageCount: maxBlockTxs, PreferredMaxBytes: preferredBlock, AbsoluteMaxBytes: maxBlock},
		EtcdRaft: ordererconfig.EtcdRaft{Options: ordererconfig.EtcdRaftOptions{
			TickInterval: raftTick, ElectionTick: raftElectionTicks, HeartbeatTick: 1, MaxInflightBlocks: 5, SnapshotIntervalSize: 16 << 20,
		}},
		Capabilities: []string{"V2_0"},
		Policies:     policies(map[string]string{configtx.BlockValidationPolicyKey: "ANY Writers"}),
		State:        ordererconfig.ConsensusStateNormal,
	}
	org := member(r.orderers)
	for _, n := range r.orderers.nodes {
		org.OrdererEndpoints = append(org.OrdererEndpoints, n.address)
		cert, err := r.orderers.TLSCertificate(n.name)
		if err != nil {
			return nil, err
		}
		ordering.EtcdRaft.Consenters = append(ordering.EtcdRaft.Consenters, ordererconfig.Consenter{
			Address: ordererconfig.EtcdAddress(address(n.address)), ClientTLSCert: cert, ServerTLSCert: cert,
		})
	}
	ordering.Organizations = []configtx.Organization{org}

	application := configtx.Application{
		Capabilities: []string{"V2_5"},
		Policies: policies(map[string]string{
			configtx.EndorsementPolicyKey:          "MAJORITY Endorsement",
			configtx.LifecycleEndorsementPolicyKey: "MAJORITY Endorsement",
		}),
	}
	for _, o := range r.members {
		application.Organizations = append(application.Organizations, member(o))
	}
	block, err := configtx.NewApplicationChannelGenesisBlock(configtx.Channel{
		Orderer: ordering, Application: application, Capabilities: []string{"V3_0"}, Policies: policies(nil),
	}, t.Channel)
	if err != nil {
		return nil, fmt.Errorf("genesis block: %w", err)
	}
	if err := addAnchorPeers(block, r); err != nil {
		return nil, fmt.Errorf("genesis block: %w", err)
	}
	return proto.Marshal(block)
}

// addAnchorPeers puts into a genesis block by which peers organizations find each
// other; the library leaves them out.
func addAnchorPeers(block *common.Block, r *roster) error {
	var (
		envelope common.Envelope
		payload  common.Payload
		config   common.ConfigEnvelope
	)
	err := proto.Unmarshal(block.GetData().GetData()[0], &envelope)
	if err == nil {
		err = proto.Unmarshal(envelope.GetPayload(), &payload)
	}
	if err == nil {
		err = proto.Unmarshal(payload.GetData(), &config)
	}
	if err != nil {
		return err
	}
	tx := configtx.New(config.GetConfig())
	for _, o := range r.members {
		if err := tx.Application().Organization(o.name).AddAnchorPeer(address(o.of(peer)[0].address)); err != nil {
			return err
		}
	}
	m := marshaller{}
	payload.Data = m.bytes(&common.ConfigEnvelope{Config: tx.UpdatedConfig()})
	envelope.Payload = m.bytes(&payload)
	block.Data.Data[0] = m.bytes(&envelope)
	hash := sha256.Sum256(block.Data.Data[0])
	block.Header.DataHash = hash[:]
	return m.err
}

// policies returns the implicit policies that every level has, and more.
func policies(more map[string]string) map[string]configtx.Policy {
	all := map[string]configtx.Policy{
		configtx.ReadersPolicyKey: {Type: configtx.ImplicitMetaPolicyType, Rule: "ANY Readers"},
		configtx.WritersPolicyKey: {Type: configtx.ImplicitMetaPolicyType, Rule: "ANY Writers"},
		configtx.AdminsPolicyKey:  {Type: configtx.ImplicitMetaPolicyType, Rule: "MAJORITY Admins"},
	}
	for name, rule := range more {
		all[name] = configtx.Policy{Type: configtx.ImplicitMetaPolicyType, Rule: rule}
	}
	return all
}

// member describes an organization to the channel.
func member(o *organization) configtx.Organization {
	signature := func(units ...string) configtx.Policy {
		rule := ""
		for i, unit := range units {
			if i > 0 {
				rule += ", "
			}
			rule += fmt.Sprintf("'%s.%s'", o.MSP, unit)
		}
		return configtx.Policy{Type: configtx.SignaturePolicyType, Rule: "OR(" + rule + ")"}
	}
	unit := func(name string) membership.OUIdentifier {
		return membership.OUIdentifier{Certificate: o.CA.Certificate, OrganizationalUnitIdentifier: name}
	}
	return configtx.Organization{
		Name: o.name,
		Policies: map[string]configtx.Policy{
			configtx.ReadersPolicyKey:     signature(pki.Admin, pki.Client, pki.Peer, pki.Orderer),
			configtx.WritersPolicyKey:     signature(pki.Admin, pki.Client, pki.Orderer), // blocks are signed by orderers
			configtx.AdminsPolicyKey:      signature(pki.Admin),
			configtx.EndorsementPolicyKey: signature(pki.Peer),
		},
		MSP: configtx.MSP{
			Name:         o.MSP,
			RootCerts:    []*x509.Certificate{o.CA.Certificate},
			TLSRootCerts: []*x509.Certificate{o.TLSCA.Certificate},
			CryptoConfig: membership.CryptoConfig{SignatureHashFamily: "SHA2", IdentityIdentifierHashFunction: "SHA256"},
			NodeOUs: membership.NodeOUs{
				Enable: true, ClientOUIdentifier: unit(pki.Client), PeerOUIdentifier: unit(pki.Peer),
				AdminOUIdentifier: unit(pki.Admin), OrdererOUIdentifier: unit(pki.Orderer),
			},
		},
	}
}

func address(hostPort string) configtx.Address {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		panic(err) // the topology made it
	}
	p, err := strconv.Atoi(port)
	if err != nil {
		panic(err)
	}
	return configtx.Address{Host: host, Port: p}
}
