/*
 * The guest's only program beside Node: mounts the kernel's file systems, loads the drivers listed
 * in /etc/modules, configures the network by DHCP, then becomes the supervisor of one service. It has
 * no shell, reads nothing from the host but DHCP answers, and powers the machine off when the service
 * ends: an epoch is one boot.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/route.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DHCP_SERVER = 67, DHCP_CLIENT = 68, LAST_CAPABILITY = 63 };

static void say(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("init: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
}

/* The end of an epoch. QEMU and clouds take a power-off as the end of the machine. */
static void power_off(void) {
  sync();
  reboot(RB_POWER_OFF);
  for (;;) pause();
}

static void fail(const char *what) {
  say("%s: %s", what, strerror(errno));
  power_off();
}

static void mount_at(const char *type, const char *path, unsigned long flags, const char *options) {
  mkdir(path, 0755);
  if (mount(type, path, type, flags, options) != 0 && errno != EBUSY) fail(path);
}

static void mount_kernel_file_systems(void) {
  const unsigned long strict = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  mount_at("devtmpfs", "/dev", MS_NOSUID | MS_NOEXEC, "mode=0755");
  mount_at("proc", "/proc", strict, NULL);
  mount_at("sysfs", "/sys", strict, NULL);
  mount_at("tmpfs", "/tmp", strict, "mode=1777,size=16m");
}

/*
 * /etc/modules lists paths in the order of their dependencies, each with parameters behind a space.
 * A driver without hardware is no error.
 */
static void load_modules(void) {
  FILE *list = fopen("/etc/modules", "re");
  char path[512];
  if (list == NULL) fail("/etc/modules");
  while (fgets(path, sizeof path, list) != NULL) {
    path[strcspn(path, "\n")] = '\0';
    char *parameters = path + strcspn(path, " ");
    if (*parameters != '\0') *parameters++ = '\0';
    int module = open(path, O_RDONLY | O_CLOEXEC);
    if (module < 0) fail(path);
    if (syscall(SYS_finit_module, module, parameters, 0) != 0 && errno != EEXIST && errno != ENODEV)
      say("%s: %s", path, strerror(errno));
    close(module);
  }
  fclose(list);
  mount_at("configfs", "/sys/kernel/config", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

static void write_setting(const char *path, const char *value) {
  int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0 || write(file, value, strlen(value)) < 0) say("%s: %s", path, strerror(errno));
  if (file >= 0) close(file);
}

/* After this the kernel takes no more code, dumps no memory, and has no debugging keys. */
static void lock_kernel(void) {
  write_setting("/proc/sys/kernel/modules_disabled", "1");
  write_setting("/proc/sys/kernel/sysrq", "0");
  write_setting("/proc/sys/kernel/core_pattern", "|/nonexistent");
  write_setting("/proc/sys/kernel/kptr_restrict", "2");
  write_setting("/proc/sys/kernel/dmesg_restrict", "1");
  write_setting("/proc/sys/kernel/yama/ptrace_scope", "3");
}

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

static void set_default_route(int sock, const char *name, in_addr_t gateway) {
  struct rtentry route = {0};
  struct sockaddr_in *any = (struct sockaddr_in *)&route.rt_dst;
  struct sockaddr_in *mask = (struct sockaddr_in *)&route.rt_genmask;
  struct sockaddr_in *via = (struct sockaddr_in *)&route.rt_gateway;
  any->sin_family = mask->sin_family = via->sin_family = AF_INET;
  via->sin_addr.s_addr = gateway;
  route.rt_flags = RTF_UP | RTF_GATEWAY;
  route.rt_dev = (char *)name;
  if (ioctl(sock, SIOCADDRT, &route) != 0) say("%s: route: %s", name, strerror(errno));
}

/* RFC 2131 and RFC 2132. The lease is taken for the machine's life; clouds keep addresses that long. */
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

enum { MASK = 1, ROUTER = 3, REQUESTED = 50, TYPE = 53, SERVER = 54, WANTED = 55, END = 255 };
enum { DISCOVER = 1, OFFER = 2, REQUEST = 3, ACK = 5 };

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

/* Reads one answer to this transaction; the host wrote it, so every length is bounded. */
static int dhcp_receive(int sock, unsigned int xid, struct lease *lease, int timeout) {
  struct dhcp message = {0};
  struct pollfd waiting = {.fd = sock, .events = POLLIN};
  const size_t fixed = sizeof message - sizeof message.options;
  if (poll(&waiting, 1, timeout) <= 0) return 0;
  ssize_t length = recv(sock, &message, sizeof message, 0);
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
  return lease->type;
}

static int dhcp_configure(int control, const char *name) {
  struct ifreq request = {0};
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(DHCP_CLIENT)};
  struct lease lease = {0};
  unsigned int xid = 0;
  const int one = 1;
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (ioctl(control, SIOCGIFHWADDR, &request) != 0) return 0;
  int sock = datagram_socket();
  setsockopt(sock, SOL_SOCKET, SO_BROADCAST, &one, sizeof one);
  setsockopt(sock, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name));
  if (bind(sock, (struct sockaddr *)&from, sizeof from) != 0) fail("dhcp");
  if (getrandom(&xid, sizeof xid, 0) < 0) fail("getrandom");
  const unsigned char *mac = (unsigned char *)request.ifr_hwaddr.sa_data;
  int done = 0;
  for (int attempt = 0; attempt < 10 && !done; attempt++) {
    dhcp_send(sock, mac, xid, DISCOVER, &lease);
    if (dhcp_receive(sock, xid, &lease, 2000) != OFFER) continue;
    const struct lease offer = lease;
    dhcp_send(sock, mac, xid, REQUEST, &offer);
    done = dhcp_receive(sock, xid, &lease, 2000) == ACK;
  }
  close(sock);
  if (!done) return 0;
  set_address(control, SIOCSIFADDR, name, lease.address);
  set_address(control, SIOCSIFNETMASK, name, lease.mask ? lease.mask : htonl(0xffffff00));
  if (lease.gateway != 0) set_default_route(control, name, lease.gateway);
  say("%s: %s", name, inet_ntoa((struct in_addr){lease.address}));
  return 1;
}

/* The first interface that is not the loopback; drivers need a moment to show theirs. */
static void configure_network(void) {
  int control = datagram_socket();
  set_flags(control, "lo", IFF_UP);
  for (int attempt = 0; attempt < 100; attempt++) {
    struct if_nameindex *interfaces = if_nameindex();
    for (struct if_nameindex *each = interfaces; each && each->if_index != 0; each++) {
      if (strcmp(each->if_name, "lo") == 0) continue;
      char name[IFNAMSIZ] = {0};
      strncpy(name, each->if_name, IFNAMSIZ - 1);
      if_freenameindex(interfaces);
      set_flags(control, name, IFF_UP);
      if (!dhcp_configure(control, name)) say("%s: no address by DHCP", name);
      close(control);
      return;
    }
    if_freenameindex(interfaces);
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
  }
  say("no network interface");
  close(control);
}

/* Root without capabilities: owns the report directory, and can do nothing else that root can. */
static void start_service(void) {
  char *const arguments[] = {"/bin/node", "/app/build/src/guest.js", NULL};
  char *const environment[] = {"NODE_ENV=production", "HOME=/tmp", "UV_THREADPOOL_SIZE=8",
                               "ORT_DISABLE_TELEMETRY=1", NULL};
  const struct rlimit none = {0, 0}, files = {65536, 65536};
  setrlimit(RLIMIT_CORE, &none);
  setrlimit(RLIMIT_NOFILE, &files);
  for (int capability = 0; capability <= LAST_CAPABILITY; capability++)
    prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(126);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  setsid();
  execve(arguments[0], arguments, environment);
  say("%s: %s", arguments[0], strerror(errno));
  _exit(127);
}

int main(void) {
  if (getpid() != 1) return 1;
  umask(022);
  mount_kernel_file_systems();
  int console = open("/dev/console", O_RDWR | O_NOCTTY);
  for (int stream = 0; stream < 3 && console >= 0; stream++) dup2(console, stream);
  load_modules();
  configure_network();
  lock_kernel();
  const pid_t service = fork();
  if (service == 0) start_service();
  if (service < 0) fail("fork");
  for (;;) {
    int status = 0;
    const pid_t ended = wait(&status);
    if (ended < 0 && errno == EINTR) continue;
    if (ended != service && ended > 0) continue;
    if (WIFEXITED(status)) say("the service ended with code %d", WEXITSTATUS(status));
    else say("the service was ended by signal %d", WTERMSIG(status));
    power_off();
  }
}
