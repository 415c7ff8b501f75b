"""vggcheck: checks of the answers to the exercises of the VGG book.

There is a module for each chapter with exercises, and in it a function for each of them::

    from vggcheck import architecture as check

    check.exercise_2(138_357_544)

It prints whether the answer is right, and if it is not, what is off. It does not give the answer.
The tools that the checks are made of are in ``vggcheck.answers``.
"""
