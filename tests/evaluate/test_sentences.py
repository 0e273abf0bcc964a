"""Next-sentence questions are fair: only sense tells the true sentence from the others."""

from lodesmith.evaluate.held_out.sentences import NUM_CHOICES, ask_questions

ZH = [
    f"第{number}章讲的是如何设置打印机和传真机的驱动程序与参数。\n"
    + "".join(f"在第{number}章的第{at}步，请打开“选项”对话框并确认设置。" for at in range(5))
    for number in range(6)
]


def pages(make_page):
    return [make_page(f"p{number}", text, language="zh") for number, text in enumerate(ZH)]


def test_the_first_choice_goes_on_from_the_context(make_page):
    questions = ask_questions(pages(make_page), num_items=12, seed=1)
    assert len(questions) == 12
    assert all(
        any(text.startswith(question.context + question.choices[0]) for text in ZH)
        for question in questions
    )


def test_wrong_answers_come_from_three_other_documents(make_page):
    for question in ask_questions(pages(make_page), num_items=12, seed=1):
        homes = [
            {number for number, text in enumerate(ZH) if choice.strip() in text}
            for choice in question.choices
        ]
        assert len(set.union(*homes)) == NUM_CHOICES == len(homes)


def test_choices_of_a_question_have_the_same_break_in_front(make_page):
    for question in ask_questions(pages(make_page), num_items=30, seed=0):
        assert len({choice.startswith("\n") for choice in question.choices}) == 1


def test_a_seed_asks_the_same_questions_and_another_seed_others(make_page):
    first, again, other = (
        ask_questions(pages(make_page), num_items=5, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_too_few_documents_give_no_question(make_page):
    assert ask_questions(pages(make_page)[:3], num_items=5, seed=0) == []


def test_no_documents_give_no_question():
    assert ask_questions([], num_items=5, seed=0) == []
