// Who is who among several boards: certificates for the gates and the bus, and keys for the bus. They are made at the first start; of a plant that has an
// authority of its own, they are laid there instead.

package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/batchkit/batchkit/batch/executive/bus"
	"github.com/batchkit/batchkit/batch/executive/gate"
)

// dirKeys has, in the directory of a node, what only it may read.
const dirKeys = "keys"

// The files there.
const (
	fileCA    = "ca.pem"     // the authority
	fileCert  = "node.pem"   // certificate of the node
	fileKey   = "node.key"   // its key
	fileSeed  = "node.nk"    // seed of its nkey, for the bus
	fileUsers = "users.json" // public: who may do what on the bus
)

// fileSetting, in the directory of all nodes, is for the servers of a plant.
const fileSetting = "nats.conf"

// person is who commands by the bus in this example.
const person = "desk"

// equip makes what the nodes, the hub and one person need to know each other.
func equip(dir string, sites []*site) error {
	ca, err := gate.OpenAuthority(filepath.Join(dir, dirKeys))
	if err != nil {
		return err
	}
	names := []string{hubRole, person}
	for _, t := range sites {
		names = append(names, t.Node)
	}
	var users []bus.User
	for _, name := range names {
		at := filepath.Join(dir, name, dirKeys)
		if err := os.MkdirAll(at, 0o700); err != nil {
			return err
		}
		if err := certify(ca, filepath.Join(dir, dirKeys), at, name); err != nil {
			return err
		}
		key, err := bus.ReadKey(filepath.Join(at, fileSeed))
		if errors.Is(err, fs.ErrNotExist) {
			key, err = bus.NewKey(filepath.Join(at, fileSeed))
		}
		if err != nil {
			return err
		}
		role := bus.RoleNode
		switch name {
		case hubRole:
			role = bus.RoleHub
		case person:
			role = bus.RoleClient
		}
		users = append(users, bus.User{Role: role, Name: name, Key: key.Public})
	}
	if sites[0].NATS != "" {
		if err := setting(dir, users); err != nil {
			return err
		}
	}
	data, err := json.MarshalIndent(users, "", "  ")
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name, dirKeys, fileUsers), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// setting writes what the plant's own servers are to be set by, before any of these users is let in: whoever runs them takes it from there, with another
// directory for streams.
func setting(dir string, users []bus.User) error {
	streams, err := filepath.Abs(filepath.Join(dir, "streams"))
	if err != nil {
		return err
	}
	text, err := bus.Snippet(&bus.ServerOptions{Dir: streams, MaxStore: busStore, MaxMemory: busMemory, Users: users, Log: logName})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, fileSetting), []byte(text), 0o600)
}

// certTime is for how long a certificate of this example holds; a plant renews them, and gates and servers read them anew.
const certTime = 10 * 365 * 24 * time.Hour

// certify lays certificate, key and authority into the directory of a node, where they are not.
func certify(ca *gate.Authority, from, to, name string) error {
	if _, err := os.Stat(filepath.Join(to, fileCert)); err == nil {
		return nil
	}
	if err := ca.Issue(name, certTime, "127.0.0.1", "localhost"); err != nil { // all are on this host
		return err
	}
	for _, f := range [][2]string{{"ca.pem", fileCA}, {name + ".key", fileKey}, {name + ".pem", fileCert}} {
		data, err := os.ReadFile(filepath.Join(from, f[0]))
		if err == nil {
			err = lay(filepath.Join(to, f[1]), data)
		}
		if err == nil {
			err = os.Chmod(filepath.Join(to, f[1]), 0o600)
		}
		if err != nil {
			return err
		}
	}
	return os.Remove(filepath.Join(from, name+".key")) // it is the node's alone
}

// usersOf reads who may do what on the bus.
func usersOf(dir string) (users []bus.User, err error) {
	data, err := os.ReadFile(filepath.Join(dir, dirKeys, fileUsers))
	if err == nil {
		err = json.Unmarshal(data, &users)
	}
	return users, err
}
