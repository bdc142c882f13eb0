package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
)

// dockerBridge is the network that containers are in, with this machine's address in it.
func dockerBridge(ctx context.Context) (*net.IPNet, error) {
	output, err := exec.CommandContext(ctx, "docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Subnet}}").Output()
	if err != nil {
		return nil, errors.New("docker does not answer: start it, or let infra/sam/docker.sh run this command")
	}
	_, subnet, err := net.ParseCIDR(strings.TrimSpace(string(output)))
	if err != nil {
		return nil, fmt.Errorf("docker's bridge: %w", err)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	for _, addr := range addrs {
		if own, ok := addr.(*net.IPNet); ok && subnet.Contains(own.IP) {
			return own, nil
		}
	}
	return nil, fmt.Errorf("docker's bridge %s is on another machine, from which containers can't reach this one", subnet)
}

// forward listens on the bridge and passes connections on to an address of the loopback
// interface, where the emulators are and containers don't come. (SAM has no host network:
// --docker-network host changes nothing.) The emulators ask for no password, so nobody
// from outside the bridge gets through.
func forward(bridge *net.IPNet, to string) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(bridge.IP.String(), "0"))
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return // closed
			}
			if !bridge.Contains(from.RemoteAddr().(*net.TCPAddr).IP) {
				from.Close()
				continue
			}
			go pass(from, to)
		}
	}()
	return l, nil
}

// pass connects from with an address, until both sides have said all.
func pass(from net.Conn, to string) {
	defer from.Close()
	back, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer back.Close()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{from, back}, {back, from}} {
		go func() {
			_, _ = io.Copy(way[1], way[0])         // an error ends the connection, and nobody is left to tell
			_ = way[1].(*net.TCPConn).CloseWrite() // likewise
			done <- struct{}{}
		}()
	}
	<-done
	<-done
}
