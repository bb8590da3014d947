package network

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Variable is one of a process's environment.
type Variable struct{ Name, Value string }

// Shell returns the variables with which Fabric's own program peer acts as a user
// of the first organization: "operator", or one of the wallet. FABRIC_QUERY and
// FABRIC_INVOKE are the flags of peer chaincode query and invoke.
func (n *Network) Shell(user string) ([]Variable, error) {
	org := n.roster.members[0]
	if _, err := os.Stat(org.CertFile(user)); err != nil {
		return nil, fmt.Errorf("network: %s has no user %q: %w", org.MSP, user, err)
	}
	first := org.of(peer)[0]
	query := []string{"-C", n.topology.Channel, "-n", n.topology.Chaincode}
	orderers := n.roster.orderers
	invoke := append(query[:len(query):len(query)], "-o", orderers.nodes[0].address, "--tls", "--cafile", n.tlsRoot(orderers), "--waitForEvent")
	for _, o := range n.roster.members {
		invoke = append(invoke, "--peerAddresses", o.of(peer)[0].address, "--tlsRootCertFiles", n.tlsRoot(o))
	}
	return []Variable{
		{"FABRIC_CFG_PATH", n.configDir(first)},
		{"FABRIC_LOGGING_SPEC", "chaincodeCmd=info:error"}, // it tells the result
		{"CORE_PEER_LOCALMSPID", org.MSP},
		{"CORE_PEER_MSPCONFIGPATH", org.MSPDir(user)},
		{"CORE_PEER_ADDRESS", first.address},
		{"CORE_PEER_TLS_ENABLED", "true"},
		{"CORE_PEER_TLS_ROOTCERT_FILE", n.tlsRoot(org)},
		{"FABRIC_QUERY", strings.Join(query, " ")},
		{"FABRIC_INVOKE", strings.Join(invoke, " ")},
	}, nil
}

// tlsRoot is the file by which a client trusts the nodes of an organization.
func (n *Network) tlsRoot(o *organization) string {
	return filepath.Join(n.o.Dir, o.name, "tlsca", "cert.pem")
}
