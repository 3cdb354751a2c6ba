module sealpod.test/tee

go 1.26.8

require (
	github.com/google/go-sev-guest v0.14.1
	github.com/google/go-tdx-guest v0.3.1
	github.com/hanwen/go-fuse/v2 v2.9.0
	golang.org/x/sys v0.28.0
)

require (
	github.com/google/go-configfs-tsm v0.3.3 // indirect
	github.com/google/logger v1.1.1 // indirect
	github.com/google/uuid v1.6.0 // indirect
	go.uber.org/multierr v1.11.0 // indirect
	golang.org/x/crypto v0.17.0 // indirect
	google.golang.org/protobuf v1.33.0 // indirect
)
