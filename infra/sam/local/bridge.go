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

// dockerBridge returns this machine's address in the network of the containers.
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

// forward listens on the bridge and forwards connections to an address of the loopback
// interface, where the emulators listen and which containers cannot reach. (SAM supports no
// host network: --docker-network host has no effect.) The emulators have no authentication,
// so forward refuses connections from outside the bridge.
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

// pass connects from with an address until both sides are closed.
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
			_, _ = io.Copy(way[1], way[0])         // an error ends the connection; no caller is left to report it to
			_ = way[1].(*net.TCPConn).CloseWrite() // likewise
			done <- struct{}{}
		}()
	}
	<-done
	<-done
}
