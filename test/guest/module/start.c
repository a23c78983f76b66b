/*
 * Test only: shows the agent the firmware's event log, then becomes the agent; its errors go to the
 * console.
 */
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

int main(void) {
  char *const arguments[] = {"/bin/node", "/test/agent.js", NULL};
  char *const environment[] = {"HOME=/tmp", NULL};
  const int console = open("/dev/console", O_WRONLY);
  if (console >= 0) dup2(console, 2);
  mount("securityfs", "/sys/kernel/security", "securityfs", 0, NULL);
  execve(arguments[0], arguments, environment);
  return 127;
}
