/* cli.h - the command line of the program. */
#pragma once

/* Runs one command line and returns its exit status: 0 done, 1 the answer is no, 2 wrong use, 3 could not. */
int cli_main(int argc, char **argv);
