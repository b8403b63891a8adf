/* cli.h - the command line of the program. */
#pragma once

/* Runs one command line and returns its exit status: 0 done, 1 the answer is no, 2 wrong use, 3 could not.
 * serve runs the servers in the working directory (the home) until they are stopped; it gets a
 * struct config and is called on a fiber of a runtime with a loop for each core. */
int cli_main(int argc, char **argv, int (*serve)(void *conf));
