"""Given names of English speakers that are hardly anything else: no place, month, flower or verb.

Source: the most frequent ones of the US Social Security Administration's yearly lists (public
domain), without those that begin sentences, name firms or stand on maps more often than for people.
"""

_LISTED = """
Aaron Abigail Adam Adrian Aidan Aiden Alan Albert Alex Alexander Alexandra Alexis Alfred Alice
Alicia Allison Alyssa Amanda Amelia Amy Ana Andrea Andrew Angela Anita Ann Anna Anne Annie Anthony
Antonio Arthur Ashley Audrey Barbara Beatrice Benjamin Bernard Beth Betty Beverly Brandon Brenda
Brent Brian Brittany Bruce Bryan Caitlin Cameron Carl Carla Carlos Carmen Carol Caroline Catherine
Cathy Cecilia Charles Charlie Cheryl Chloe Chris Christina Christine Christopher Cindy Claire
Clara Claudia Colin Connor Corey Courtney Craig Curtis Cynthia Daniel Danielle David Deborah Debra
Denise Dennis Derek Diana Diane Donald Donna Doris Dorothy Douglas Dylan Edith Edward Edwin Eileen
Elaine Eleanor Elena Elijah Elizabeth Ellen Emily Emma Eric Erica Erik Erin Ethan Eugene Evan
Evelyn Fiona Frances Francis Frederick Gabriel Gary Geoffrey George Gerald Gillian Gladys Gloria
Gordon Graham Greg Gregory Hannah Harold Harry Helen Henry Howard Ian Irene Isaac Isabel Isabella
Jacob Jacqueline James Jamie Jane Janet Janice Jared Jason Jean Jeff Jeffrey Jennifer Jeremy Jerry
Jesse Jessica Jim Jimmy Joan Joanna Joanne Joe Joel John Johnny Jonathan Jose Joseph Joshua Joyce
Juan Judith Judy Julia Julian Julie Justin Karen Kate Katherine Kathleen Kathryn Katie Kayla Keith
Kelly Kenneth Kevin Kimberly Kristen Kyle Larry Laura Lauren Laurence Lawrence Leah Leonard Leslie
Liam Linda Lindsay Lisa Lois Lori Louis Louise Lucas Lucy Luis Luke Lydia Lynn Marcus Margaret
Maria Marie Marilyn Marjorie Martha Martin Mary Matthew Maureen Megan Melanie Melissa Michael
Michelle Miguel Mike Mildred Monica Nancy Natalie Natasha Nathan Nathaniel Nicholas Nicole Nigel
Noah Nora Norman Oliver Olivia Oscar Owen Pamela Patricia Patrick Paul Paula Peggy Peter Philip
Phillip Phyllis Rachel Ralph Raymond Rebecca Richard Robert Roger Ronald Rosemary Roy Russell Ruth
Ryan Sally Samantha Samuel Sandra Sara Sarah Scott Sean Sebastian Sharon Sheila Shirley Simon
Sophia Sophie Stanley Stephanie Stephen Steve Steven Stuart Susan Suzanne Tamara Teresa Theodore
Theresa Thomas Tiffany Tim Timothy Tina Todd Tom Tony Tracy Tristan Tyler Valerie Vanessa Vera
Veronica Vincent Walter Wayne Wendy William Yvonne Zachary
"""

GIVEN_NAMES = frozenset(_LISTED.split())
