package chaincode

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"gxcoin.money/gx/contract"
)

// Options of a chaincode server.
type Options struct {
	ID      string // of the installed package, "LABEL:HASH"
	Address string // to listen on
	Cert    string // file of the TLS certificate; read again for every connection
	Key     string // file of its key
	Clients string // file of the authorities whose peers may connect

	Chaincode contract.Chaincode
	Metadata  []byte // the answer to MetadataFunction, which any peer may use to see that we serve
	Log       *slog.Logger
}

// Environment sets what is empty from the variables that Fabric's own
// chaincodes go by.
func (o *Options) Environment(getenv func(string) string) {
	for name, field := range map[string]*string{
		"CHAINCODE_ID": &o.ID, "CHAINCODE_SERVER_ADDRESS": &o.Address,
		"CHAINCODE_TLS_CERT": &o.Cert, "CHAINCODE_TLS_KEY": &o.Key, "CHAINCODE_CLIENT_CA_CERT": &o.Clients,
	} {
		if *field == "" {
			*field = getenv(name)
		}
	}
}

const maxMessage = 100 << 20 // as peers have it

// Serve serves the chaincode over mutual TLS until ctx ends. A transaction in
// progress then fails at its peer and is endorsed again by its client.
func Serve(ctx context.Context, o Options) error {
	if o.ID == "" || o.Address == "" || o.Cert == "" || o.Key == "" || o.Clients == "" || o.Chaincode == nil {
		return errors.New("chaincode: a server needs an id, an address, a certificate with its key and the clients' authorities")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if _, err := tls.LoadX509KeyPair(o.Cert, o.Key); err != nil {
		return fmt.Errorf("chaincode: %w", err)
	}
	authorities, err := os.ReadFile(o.Clients)
	if err != nil {
		return fmt.Errorf("chaincode: %w", err)
	}
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(authorities) {
		return fmt.Errorf("chaincode: %s holds no certificate", o.Clients)
	}
	listener, err := net.Listen("tcp", o.Address)
	if err != nil {
		return fmt.Errorf("chaincode: %w", err)
	}
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(&tls.Config{
			MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				cert, err := tls.LoadX509KeyPair(o.Cert, o.Key)
				return &cert, err
			},
		})),
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	)
	peer.RegisterChaincodeServer(server, &shim.ChaincodeServer{CCID: o.ID, CC: adapter{o}})
	stop := context.AfterFunc(ctx, server.Stop) // peers' streams never end by themselves
	defer stop()
	o.Log.Info("chaincode is served", "id", o.ID, "address", listener.Addr().String())
	if err := server.Serve(listener); err != nil && ctx.Err() == nil {
		return fmt.Errorf("chaincode: %w", err)
	}
	return nil
}
