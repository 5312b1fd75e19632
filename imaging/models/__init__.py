"""Tasks in, bundles out: what is asked of a network as data, trained by patient, told with intervals, loaded without running code.

``task`` says what is asked; ``cases``, ``split``, ``preparing`` and ``augmenting`` what a network is shown; ``networks`` which there are;
``training`` how they learn, with ``checkpoint`` and ``logs``; ``metrics`` and ``evaluation`` how good they are; ``bundle`` and ``card``
what is kept; ``inference`` what a bundle says of an image. None is imported here: most need torch, which takes seconds.
"""
