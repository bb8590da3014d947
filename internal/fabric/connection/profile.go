// Package connection is how a client finds and joins a Fabric network: the
// connection profile with its peers, the wallet with its identities, and gRPC
// connections made of them.
package connection

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-json-experiment/json"
	"sigs.k8s.io/yaml"
)

// Config names a network and our place in it.
type Config struct {
	Profile   string   // file of the connection profile, JSON or YAML
	MSP       string   // our organization
	Wallet    string   // directory with ROLE-cert.pem and ROLE-key.pem
	Channel   string   // the ledger
	Chaincode string   // the contracts
	Endorsers []string // organizations that endorse every transaction; empty: all of the profile
}

// Peer is a peer as a client reaches it.
type Peer struct {
	Name       string
	MSP        string // of its organization
	Address    string // host:port
	ServerName string // in its TLS certificate, when not the host
	Roots      *x509.CertPool
}

// Profile is the part of the common connection profile of Fabric that matters
// to a gateway client.
type Profile struct {
	Name          string                         `json:"name"`
	Version       string                         `json:"version"`
	Organizations map[string]ProfileOrganization `json:"organizations"`
	Peers         map[string]ProfilePeer         `json:"peers"`
}

// ProfileOrganization lists the peers of an organization.
type ProfileOrganization struct {
	MSPID string   `json:"mspid"`
	Peers []string `json:"peers"`
}

// ProfilePeer is a peer's address and trust.
type ProfilePeer struct {
	URL         string             `json:"url"` // grpcs://host:port
	TLSCACerts  ProfilePEM         `json:"tlsCACerts"`
	GRPCOptions ProfileGRPCOptions `json:"grpcOptions,omitzero"`
}

// ProfilePEM holds certificates or names their file, relative to the profile.
type ProfilePEM struct {
	PEM  string `json:"pem,omitzero"`
	Path string `json:"path,omitzero"`
}

// ProfileGRPCOptions are the options that name a TLS server.
type ProfileGRPCOptions struct {
	ServerName string `json:"ssl-target-name-override,omitzero"`
	Hostname   string `json:"hostnameOverride,omitzero"`
}

// ReadPeers returns the peers of a connection profile, ordered by name, those of
// the organization first.
func ReadPeers(file, first string) ([]Peer, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("connection profile: %w", err)
	}
	content, err = yaml.YAMLToJSON(content)
	if err != nil {
		return nil, fmt.Errorf("connection profile %s: %w", file, err)
	}
	var p Profile
	if err := json.Unmarshal(content, &p); err != nil {
		return nil, fmt.Errorf("connection profile %s: %w", file, err)
	}
	var peers []Peer
	for _, orgName := range slices.Sorted(maps.Keys(p.Organizations)) {
		org := p.Organizations[orgName]
		for _, name := range org.Peers {
			described, ok := p.Peers[name]
			if !ok {
				return nil, fmt.Errorf("connection profile %s: organization %s has a peer %s that is not described", file, orgName, name)
			}
			peer, err := described.peer(name, org.MSPID, filepath.Dir(file))
			if err != nil {
				return nil, fmt.Errorf("connection profile %s: peer %s: %w", file, name, err)
			}
			peers = append(peers, peer)
		}
	}
	slices.SortStableFunc(peers, func(a, b Peer) int {
		return cmp.Or(rank(a, first)-rank(b, first), cmp.Compare(a.Name, b.Name))
	})
	if len(peers) == 0 || peers[0].MSP != first {
		return nil, fmt.Errorf("connection profile %s: organization %s has no peer", file, first)
	}
	return peers, nil
}

func rank(p Peer, first string) int {
	if p.MSP == first {
		return 0
	}
	return 1
}

func (p ProfilePeer) peer(name, msp, dir string) (Peer, error) {
	u, err := url.Parse(p.URL)
	if err != nil {
		return Peer{}, err
	}
	if u.Scheme != "grpcs" || u.Port() == "" {
		return Peer{}, fmt.Errorf("url %q is not grpcs://host:port", p.URL)
	}
	pem := []byte(p.TLSCACerts.PEM)
	if len(pem) == 0 {
		file := p.TLSCACerts.Path
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		if pem, err = os.ReadFile(file); err != nil {
			return Peer{}, err
		}
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return Peer{}, errors.New("tlsCACerts hold no certificate")
	}
	return Peer{
		Name: name, MSP: msp, Address: u.Host, Roots: roots,
		ServerName: cmp.Or(p.GRPCOptions.ServerName, p.GRPCOptions.Hostname),
	}, nil
}
