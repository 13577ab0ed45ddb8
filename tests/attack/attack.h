/* attack.h - between the files of the attacker that floods.sh and escapes.sh put into
 * containers. It tries what a hostile task would, and says a line for each attempt:
 * "held WHAT", "broken WHAT: what it got", "skip WHAT: why it could not try".
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_TESTS_ATTACK_H
#define MZ_TESTS_ATTACK_H

#include <stdbool.h>

/* ok: the attempt failed, which is what is wanted. `how` is printed if it did not. */
__attribute__((format(printf, 3, 4))) void verdict(bool ok, const char *what, const char *how, ...);
__attribute__((format(printf, 2, 3))) void not_tried(const char *what, const char *why, ...);

/* Floods: none of them ends by itself, but for those that find their limit. */
int flood(const char *kind, char **argv);
/* Ways out of the container. argv: the agent's pid, a path outside that is secret. */
int escapes(char **argv);
/* Looks into those who enter the container, until there is the file argv[0]. */
int watch(char **argv);
/* Not an attack: somebody whose shared memory is nobody else's affair. */
int tenant(void);
/* What a user namespace of its own would open: as an ordinary user. */
int user_namespace(char **argv);

#endif
