"""The tour of autograd_tour.cpp in PyTorch, program by program. A test compares what both print."""

import torch


def scalar_gradient():
    print("# The derivative of x^2 + 3x + 1")
    x = torch.tensor(2.0, requires_grad=True)
    y = x.pow(2) + 3 * x + 1
    y.backward()
    print("y =", y)
    print("dy/dx = 2x + 3 =", x.grad)


def vector_gradient():
    print("\n# A result with several elements: backward takes the gradient with respect to it")
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * x
    y.backward(torch.ones(3))
    print("y =", y)
    print("x.grad =", x.grad)


def several_scalar_outputs():
    print("\n# Two numbers made from one: their gradients are added, or asked for one by one")
    x = torch.tensor(3.0, requires_grad=True)
    square = x.pow(2)
    cube = x.pow(3)
    torch.autograd.backward([square, cube], retain_graph=True)
    print("x.grad = 2x + 3x^2 =", x.grad)
    print("2x =", torch.autograd.grad(square, x)[0])
    print("3x^2 =", torch.autograd.grad(cube, x)[0])


def several_vector_outputs():
    print("\n# Two vectors made from one, each weighted with a vector")
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    twice = 2 * x
    square = x * x
    torch.autograd.backward([twice, square], [torch.tensor([1.0, 0.1]), torch.tensor([10.0, 1.0])])
    print("x.grad =", x.grad)


def diamond():
    print("\n# A diamond: a and b reach z on two ways, whose gradients are added")
    a = torch.tensor(2.0, requires_grad=True)
    b = torch.tensor(3.0, requires_grad=True)
    x = 2 * a + 3 * b
    y = 5 * a.pow(2) + 3 * b.pow(3)
    z = 2 * x + 3 * y
    z.backward()
    print("z =", z)
    print("dz/da = 2 * 2 + 3 * 10a =", a.grad)
    print("dz/db = 2 * 3 + 3 * 9b^2 =", b.grad)


def mean_of_squares():
    print("\n# Tensors know which operation made them")
    a = torch.ones(2, 2, requires_grad=True)
    b = a + 5
    c = b * b * 2
    out = c.mean()
    print(a)
    print(b)
    print(c)
    print(out)
    out.backward()
    print(a.grad)


def leaves():
    print("\n# Leaves are where the tape ends")
    data = torch.ones(2)
    w = torch.ones(2, requires_grad=True)
    y = w.exp()
    z = (y * data).sum()
    print("data:", data.is_leaf, data.requires_grad)
    print("w:", w.is_leaf, w.requires_grad)
    print("y:", y.is_leaf, y.requires_grad, y.grad_fn.name())
    print("z:", z.is_leaf, z.requires_grad, z.grad_fn.name())


def detach():
    print("\n# detach: the same numbers, off the tape")
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    d = x.detach()
    print(d, d.requires_grad)
    y = (x * x.detach()).sum()
    y.backward()
    print("x.grad =", x.grad)
    d.zero_()
    print("x =", x)


def no_grad():
    print("\n# Nothing is recorded while a NoGradGuard lives")
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        print(x * 2)
    print(x * 2)


def accumulation():
    print("\n# Gradients accumulate until they are cleared")
    x = torch.tensor(2.0, requires_grad=True)
    for _ in range(3):
        x.pow(2).backward()
        print("x.grad =", x.grad)
    x.grad.zero_()
    x.pow(2).backward()
    print("x.grad =", x.grad)


def minimum():
    print("\n# The minimum of x^4 - 3x^3 + 2, which is at 9/4, in 100 steps of gradient descent")
    x = torch.tensor(1.0, requires_grad=True)
    for step in range(1, 101):
        y = x.pow(4) - 3 * x.pow(3) + 2
        y.backward()
        with torch.no_grad():
            x -= 0.01 * x.grad
            x.grad.zero_()
        if step % 20 == 0:
            print(f"step {step:3}: x = {x.item():.4f}, y = {y.item():.4f}")


def sgd():
    print("\n# One step of SGD on x + y^2 + z^3")
    x = torch.tensor(1.0, requires_grad=True)
    y = torch.tensor(2.0, requires_grad=True)
    z = torch.tensor(3.0, requires_grad=True)
    optimizer = torch.optim.SGD([x, y, z], lr=0.1)
    f = x + y.pow(2) + z.pow(3)
    optimizer.zero_grad()
    f.backward()
    optimizer.step()
    print("f =", f)
    print("gradients:", x.grad, y.grad, z.grad)
    print("x =", x)
    print("y =", y)
    print("z =", z)


def coefficients():
    print("\n# Gradients of ax^2 + bx + c with respect to everything in it")
    a = torch.tensor(1.0, requires_grad=True)
    b = torch.tensor(-2.0, requires_grad=True)
    c = torch.tensor(1.0, requires_grad=True)
    x = torch.tensor(0.5, requires_grad=True)
    y = a * x.pow(2) + b * x + c
    gradients = torch.autograd.grad(y, [a, b, c, x])
    print("y =", y)
    print("dy/da = x^2 =", gradients[0])
    print("dy/db = x =", gradients[1])
    print("dy/dc = 1 =", gradients[2])
    print("dy/dx = 2ax + b =", gradients[3])


scalar_gradient()
vector_gradient()
several_scalar_outputs()
several_vector_outputs()
diamond()
mean_of_squares()
leaves()
detach()
no_grad()
accumulation()
minimum()
sgd()
coefficients()
