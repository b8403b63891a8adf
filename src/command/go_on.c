/* go_on.c - one command of this program follows another one: setup goes on as try, whose server has to be
 * shut in before there are threads. */
#include "go_on.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

int go_on_as(const char *command, const char *word)
{
    char home[PATH_MAX];
    if (!getcwd(home, sizeof home)) return err_errno(errno, "the home has no name");
    fflush(stdout);
    execl("/proc/self/exe", "tram", "-C", home, command, word, (char *)NULL);
    return err_errno(errno, "this program cannot be run again");
}
