/* Stops a mounted file system as a loss of power does: what is in memory, the journal's included, is not written.
 * `shutdown FOLDER`; ext4, xfs and f2fs take it, root may ask for it. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define SHUTDOWN _IOR('X', 125, uint32_t)
#define WITHOUT_LOG_FLUSH 2u

int main(int count, char **args) {
  uint32_t flags = WITHOUT_LOG_FLUSH;
  int folder = count == 2 ? open(args[1], O_RDONLY) : -1;
  if (folder < 0 || ioctl(folder, SHUTDOWN, &flags) != 0) {
    perror("shutdown");
    return 1;
  }
  return 0;
}
