/*
 * Test only: gets an address as init does, in a network namespace of its own, then writes to a host
 * beyond the gateway. It says when its interface can be moved there.
 */
#include "../../enclave/image/init.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void say(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
}

void fail(const char *what) {
  say("%s: %s", what, strerror(errno));
  exit(1);
}

int main(void) {
  struct sockaddr_in beyond = {.sin_family = AF_INET, .sin_port = htons(9)};
  inet_pton(AF_INET, "198.51.100.1", &beyond.sin_addr);
  if (unshare(CLONE_NEWNET) != 0) fail("unshare");
  puts("ready");
  fflush(stdout);
  configure_network();
  int sock = socket(AF_INET, SOCK_DGRAM, 0);
  if (sendto(sock, "", 1, 0, (struct sockaddr *)&beyond, sizeof beyond) != 1) fail("sendto");
}
