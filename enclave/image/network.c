/*
 * One address by DHCP (RFC 2131, RFC 2132), on the first interface that is not the loopback. The lease
 * is taken for the machine's life; clouds keep addresses that long. Whoever is on the segment, the host
 * above all, can answer: an answer costs an address, never more, and every length in it is bounded.
 */
#include "init.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/route.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { DHCP_SERVER = 67, DHCP_CLIENT = 68 };
enum { MASK = 1, ROUTER = 3, REQUESTED = 50, TYPE = 53, SERVER = 54, WANTED = 55, END = 255 };
enum { DISCOVER = 1, OFFER = 2, REQUEST = 3, ACK = 5 };
enum { FIRST_PATIENCE = 2000, LAST_PATIENCE = 16000 }; /* milliseconds for one answer */

struct dhcp {
  unsigned char op, htype, hlen, hops;
  unsigned int xid;
  unsigned short secs, flags;
  unsigned int ciaddr, yiaddr, siaddr, giaddr;
  unsigned char chaddr[16], sname[64], file[128];
  unsigned int magic;
  unsigned char options[308];
} __attribute__((packed));

struct lease {
  in_addr_t address, mask, gateway, server;
  int type;
};

static int datagram_socket(void) {
  int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (sock < 0) fail("socket");
  return sock;
}

static void set_flags(int sock, const char *name, short flags) {
  struct ifreq request = {0};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (ioctl(sock, SIOCGIFFLAGS, &request) != 0) return;
  request.ifr_flags |= flags;
  ioctl(sock, SIOCSIFFLAGS, &request);
}

static void set_address(int sock, unsigned long what, const char *name, in_addr_t address) {
  struct ifreq request = {0};
  struct sockaddr_in *value = (struct sockaddr_in *)&request.ifr_addr;
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  value->sin_family = AF_INET;
  value->sin_addr.s_addr = address;
  if (ioctl(sock, what, &request) != 0) say("%s: address: %s", name, strerror(errno));
}

/* To one host on the link, or by a gateway to every other. */
static void add_route(int sock, const char *name, in_addr_t host, in_addr_t gateway) {
  struct rtentry route = {.rt_flags = RTF_UP, .rt_dev = (char *)name};
  struct sockaddr_in *to = (struct sockaddr_in *)&route.rt_dst;
  struct sockaddr_in *via = (struct sockaddr_in *)&route.rt_gateway;
  struct sockaddr_in *mask = (struct sockaddr_in *)&route.rt_genmask;
  to->sin_family = mask->sin_family = via->sin_family = AF_INET;
  to->sin_addr.s_addr = host;
  via->sin_addr.s_addr = gateway;
  route.rt_flags |= gateway != 0 ? RTF_GATEWAY : RTF_HOST;
  if (ioctl(sock, SIOCADDRT, &route) != 0) say("%s: route: %s", name, strerror(errno));
}

/* Google's leases have a mask of 32 bits: their gateway is on the link, and outside of every subnet. */
static void apply_lease(int sock, const char *name, const struct lease *lease) {
  const in_addr_t mask = lease->mask ? lease->mask : htonl(0xffffff00);
  set_address(sock, SIOCSIFADDR, name, lease->address);
  set_address(sock, SIOCSIFNETMASK, name, mask);
  if (lease->gateway != 0) {
    if ((lease->gateway & mask) != (lease->address & mask)) add_route(sock, name, lease->gateway, 0);
    add_route(sock, name, 0, lease->gateway);
  }
  say("%s: %s", name, inet_ntoa((struct in_addr){lease->address}));
}

static void dhcp_send(int sock, const unsigned char *mac, unsigned int xid, int type,
                      const struct lease *lease) {
  struct dhcp message = {.op = 1, .htype = 1, .hlen = 6, .xid = xid, .flags = htons(0x8000)};
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(DHCP_SERVER)};
  unsigned char *option = message.options;
  to.sin_addr.s_addr = INADDR_BROADCAST;
  message.magic = htonl(0x63825363);
  memcpy(message.chaddr, mac, 6);
  *option++ = TYPE, *option++ = 1, *option++ = (unsigned char)type;
  *option++ = WANTED, *option++ = 2, *option++ = MASK, *option++ = ROUTER;
  if (type == REQUEST) {
    *option++ = REQUESTED, *option++ = 4;
    memcpy(option, &lease->address, 4), option += 4;
    *option++ = SERVER, *option++ = 4;
    memcpy(option, &lease->server, 4), option += 4;
  }
  *option = END;
  if (sendto(sock, &message, sizeof message, 0, (struct sockaddr *)&to, sizeof to) < 0)
    say("dhcp: %s", strerror(errno));
}

/* Takes one datagram; false unless it is a well-formed answer to this transaction. */
static int dhcp_receive(int sock, unsigned int xid, struct lease *lease) {
  struct dhcp message = {0};
  const size_t fixed = sizeof message - sizeof message.options;
  ssize_t length = recv(sock, &message, sizeof message, MSG_DONTWAIT);
  if (length < (ssize_t)fixed || message.op != 2 || message.xid != xid ||
      message.magic != htonl(0x63825363))
    return 0;
  memset(lease, 0, sizeof *lease);
  lease->address = message.yiaddr;
  const size_t end = (size_t)length - fixed;
  for (size_t at = 0; at + 1 < end && message.options[at] != END;) {
    if (message.options[at] == 0) {
      at++;
      continue;
    }
    const unsigned char kind = message.options[at], size = message.options[at + 1];
    const unsigned char *value = &message.options[at + 2];
    at += 2u + size;
    if (at > end) return 0;
    if (kind == TYPE && size == 1) lease->type = value[0];
    if (size < 4) continue;
    if (kind == MASK) memcpy(&lease->mask, value, 4);
    if (kind == ROUTER) memcpy(&lease->gateway, value, 4);
    if (kind == SERVER) memcpy(&lease->server, value, 4);
  }
  return lease->address != 0;
}

static long long milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/*
 * Waits for an OFFER of any server, or for the ACK of the one whose offer was taken. What else arrives
 * meanwhile is skipped: offers of other servers, and answers to other machines, are no failure.
 */
static int dhcp_await(int sock, unsigned int xid, const struct lease *offer, int patience,
                      struct lease *lease) {
  const long long deadline = milliseconds() + patience;
  for (long long left = patience; left > 0; left = deadline - milliseconds()) {
    struct pollfd waiting = {.fd = sock, .events = POLLIN};
    if (poll(&waiting, 1, (int)left) <= 0 || !dhcp_receive(sock, xid, lease)) continue;
    if (offer == NULL ? lease->type == OFFER
                      : lease->type == ACK && lease->server == offer->server)
      return 1;
  }
  return 0;
}

/* A transaction of its own, so that late answers to an earlier one are nobody's. */
static int dhcp_transact(int sock, const unsigned char *mac, int patience, struct lease *lease) {
  struct lease offer;
  unsigned int xid = 0;
  if (getrandom(&xid, sizeof xid, 0) < 0) fail("getrandom");
  dhcp_send(sock, mac, xid, DISCOVER, NULL);
  if (!dhcp_await(sock, xid, NULL, patience, &offer)) return 0;
  dhcp_send(sock, mac, xid, REQUEST, &offer);
  return dhcp_await(sock, xid, &offer, patience, lease);
}

/* One attempt; false where nothing came of it, or the interface is gone. */
static int dhcp_configure(int control, const char *name, int patience) {
  struct ifreq request = {0};
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(DHCP_CLIENT)};
  struct lease lease;
  const int one = 1;
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (ioctl(control, SIOCGIFHWADDR, &request) != 0) return 0;
  int sock = datagram_socket();
  setsockopt(sock, SOL_SOCKET, SO_BROADCAST, &one, sizeof one);
  setsockopt(sock, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name));
  if (bind(sock, (struct sockaddr *)&from, sizeof from) != 0) fail("dhcp");
  const int done =
      dhcp_transact(sock, (unsigned char *)request.ifr_hwaddr.sa_data, patience, &lease);
  close(sock);
  if (done) apply_lease(control, name, &lease);
  return done;
}

/* False where there is none but the loopback. */
static int first_interface(char name[IFNAMSIZ]) {
  struct if_nameindex *interfaces = if_nameindex(), *each = interfaces;
  if (interfaces == NULL) return 0;
  while (each->if_index != 0 && strcmp(each->if_name, "lo") == 0) each++;
  const int found = each->if_index != 0;
  memset(name, 0, IFNAMSIZ);
  if (found) strncpy(name, each->if_name, IFNAMSIZ - 1);
  if_freenameindex(interfaces);
  return found;
}

/* Drivers need a moment to show their interface, and a segment can be without a server for a while. */
void configure_network(void) {
  char name[IFNAMSIZ];
  int control = datagram_socket(), patience = FIRST_PATIENCE;
  set_flags(control, "lo", IFF_UP);
  for (int attempt = 1;; attempt++) {
    if (first_interface(name)) {
      set_flags(control, name, IFF_UP);
      if (dhcp_configure(control, name, patience)) break;
      say("%s: no address by DHCP yet", name);
      if (patience < LAST_PATIENCE) patience *= 2;
    } else if (attempt % 100 == 0) {
      say("no network interface yet");
    }
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
  }
  close(control);
}
