package network

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/template"

	"gxcoin.money/gx/internal/fabric/builder"
)

// The nodes' configuration: what differs from Fabric's defaults on purpose, and
// what has no default.
var (
	coreYAML = template.Must(template.New("core.yaml").Parse(`peer:
  id: {{.ID}}
  networkId: gx
  listenAddress: {{.Address}}
  address: {{.Address}}
  chaincodeListenAddress: {{.Aux}}
  chaincodeAddress: {{.Aux}}
  localMspId: {{.MSP}}
  mspConfigPath: {{.MSPDir}}
  fileSystemPath: {{.Data}}
  gateway: {enabled: true, endorsementTimeout: 30s, broadcastTimeout: 5s, dialTimeout: 5s}
  keepalive:
    interval: 60s
    timeout: 20s
    minInterval: 10s
    client: {interval: 30s, timeout: 10s}
    deliveryClient: {interval: 30s, timeout: 10s}
  gossip:
    bootstrap: {{.Bootstrap}}
    endpoint: {{.Address}}
    externalEndpoint: {{.Address}}
    orgLeader: true
    useLeaderElection: false
    reconnectInterval: 1s
    aliveTimeInterval: 2s
    aliveExpirationTimeout: 10s
    publishStateInfoInterval: 500ms
    requestStateInfoInterval: 500ms
    state: {enabled: false}
    pvtData:
      pullRetryThreshold: 60s
      transientstoreMaxBlockRetention: 20000
      pushAckTimeout: 3s
      reconcileBatchSize: 10
      reconcileSleepInterval: 60m
      reconciliationEnabled: false
      implicitCollectionDisseminationPolicy: {requiredPeerCount: 0, maxPeerCount: 1}
  deliveryclient: {blockGossipEnabled: false, connTimeout: 3s, reConnectBackoffThreshold: 2s, minimalReconnectInterval: 100ms, policy: cluster}
  tls:
    enabled: true
    cert: {file: {{.TLS}}/cert.pem}
    key: {file: {{.TLS}}/key.pem}
    rootcert: {file: {{.TLS}}/ca.pem}
  BCCSP: {Default: SW, SW: {Hash: SHA2, Security: 256}}
  authentication: {timewindow: 15m}
  handlers:
    authFilters: [{name: DefaultAuth}, {name: ExpirationCheck}, {name: TimeWindowCheck}]
    decorators: [{name: DefaultDecorator}]
    endorsers: {escc: {name: DefaultEndorsement}}
    validators: {vscc: {name: DefaultValidation}}
  discovery: {enabled: true, authCacheEnabled: true, authCacheMaxSize: 1000, authCachePurgeRetentionRatio: 0.75}
  limits: {concurrency: {endorserService: 2500, deliverService: 2500, gatewayService: 500}}
  maxRecvMsgSize: 104857600
  maxSendMsgSize: 104857600
vm: {endpoint: ""}
chaincode:
  mode: net
  externalBuilders: [{name: gx, path: {{.Builder}}, propagateEnvironment: [{{.BuilderEnv}}]}]
  installTimeout: 30s
  startuptimeout: 30s
  executetimeout: 30s
  system: {_lifecycle: enable, cscc: enable, lscc: enable, qscc: enable}
  logging: {level: info, shim: warning}
  runtimeParams: {useWriteBatch: true, maxSizeWriteBatch: 1000, useGetMultipleKeys: true, maxSizeGetMultipleKeys: 1000}
ledger:
  state: {stateDatabase: goleveldb, totalQueryLimit: 10000000}
  history: {enableHistoryDatabase: false}
  pvtdataStore: {collElgProcMaxDbBatchSize: 5000, collElgProcDbBatchesInterval: 1000, deprioritizedDataReconcilerInterval: 60m, purgeInterval: 100}
  snapshots: {rootDir: {{.Data}}/snapshots}
operations:
  listenAddress: {{.Ops}}
  tls:
    enabled: true
    cert: {file: {{.TLS}}/cert.pem}
    key: {file: {{.TLS}}/key.pem}
    clientRootCAs: {files: [{{.TLS}}/ca.pem]}
metrics: {provider: prometheus}
`))

	ordererYAML = template.Must(template.New("orderer.yaml").Parse(`General:
  ListenAddress: {{.Host}}
  ListenPort: {{.Port}}
  BootstrapMethod: none
  TLS:
    Enabled: true
    PrivateKey: {{.TLS}}/key.pem
    Certificate: {{.TLS}}/cert.pem
    RootCAs: [{{.TLS}}/ca.pem]
  Keepalive: {ServerMinInterval: 10s, ServerInterval: 60s, ServerTimeout: 20s}
  Backoff: {BaseDelay: 100ms, Multiplier: 1.6, MaxDelay: 2s}
  MaxRecvMsgSize: 104857600
  MaxSendMsgSize: 104857600
  Throttling: {Rate: 0, InactivityTimeout: 5s}
  Cluster:
    SendBufferSize: 100
    ClientCertificate: {{.TLS}}/cert.pem
    ClientPrivateKey: {{.TLS}}/key.pem
  LocalMSPDir: {{.MSPDir}}
  LocalMSPID: {{.MSP}}
  BCCSP: {Default: SW, SW: {Hash: SHA2, Security: 256}}
  Authentication: {TimeWindow: 15m}
FileLedger: {Location: {{.Data}}/ledger}
Consensus: {WALDir: {{.Data}}/wal, SnapDir: {{.Data}}/snapshots}
ChannelParticipation: {Enabled: true, MaxRequestBodySize: 64 MB}
Admin:
  ListenAddress: {{.Aux}}
  TLS:
    Enabled: true
    Certificate: {{.TLS}}/cert.pem
    PrivateKey: {{.TLS}}/key.pem
    ClientAuthRequired: true
    ClientRootCAs: [{{.TLS}}/ca.pem]
Operations:
  ListenAddress: {{.Ops}}
  TLS:
    Enabled: true
    Certificate: {{.TLS}}/cert.pem
    PrivateKey: {{.TLS}}/key.pem
    ClientRootCAs: [{{.TLS}}/ca.pem]
Metrics: {Provider: prometheus}
`))
)

// settings fill a template.
type settings struct {
	ID, MSP, MSPDir, TLS, Data         string
	Address, Host, Aux, Ops, Bootstrap string
	Port                               int
	Builder, BuilderEnv                string
}

// configure writes the configuration of every node.
func (n *Network) configure() error {
	if err := n.linkBuilder(); err != nil {
		return err
	}
	for _, node := range n.roster.nodes() {
		var t *template.Template
		switch node.kind {
		case orderer:
			t = ordererYAML
		case peer:
			t = coreYAML
		default:
			continue
		}
		a := address(node.address)
		var b bytes.Buffer
		err := t.Execute(&b, settings{
			ID: node.id(), MSP: node.org.MSP, MSPDir: node.org.MSPDir(node.name), TLS: node.org.TLSDir(node.name), Data: n.dataDir(node),
			Address: node.address, Host: a.Host, Port: a.Port, Aux: node.aux, Ops: node.ops, Bootstrap: node.org.of(node.kind)[0].address,
			Builder: filepath.Join(n.o.Dir, "builder"), BuilderEnv: builder.TLSDir,
		})
		if err != nil {
			return err
		}
		if err := replaceFile(filepath.Join(n.configDir(node), t.Name()), b.Bytes()); err != nil {
			return fmt.Errorf("network: configure %s: %w", node.id(), err)
		}
	}
	return nil
}

// linkBuilder makes the builder's programs links to our binary.
func (n *Network) linkBuilder() error {
	program := n.topology.newest().Program
	dir := filepath.Join(n.o.Dir, "builder", "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range builder.Programs {
		link := filepath.Join(dir, name)
		if at, err := os.Readlink(link); err == nil && at == program {
			continue
		}
		if err := errors.Join(ignoreAbsent(os.Remove(link)), os.Symlink(program, link)); err != nil {
			return fmt.Errorf("network: link the chaincode builder: %w", err)
		}
	}
	return nil
}

func (n *Network) configDir(node *node) string { return filepath.Join(n.o.Dir, "config", node.id()) }
func (n *Network) dataDir(node *node) string   { return filepath.Join(n.o.Dir, "data", node.id()) }
func (n *Network) logFile(node *node) string   { return filepath.Join(n.o.Dir, "log", node.id()+".log") }
